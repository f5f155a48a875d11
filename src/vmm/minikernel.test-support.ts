/** The minikernel under any setting, for tests: assembled from its sources, built, and followed by facts. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assemble } from '../assembler';
import { type Digest, digestOf } from '../facts/digest';
import { Facts } from '../facts/facts';
import { loadImage } from '../images/loader';
import { DEFAULT_CONFIG, type MachineConfig } from '../machine/config';
import type { Machine, MachineStop } from '../machine/machine';
import { type BootImage, buildMachine } from './build';

const MINIKERNEL = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'guests', 'minikernel');

/** Assembles and loads one file; includes are read beside it. */
export function bootImage(main: string, files: Map<string, string>, memoryBytes: number): BootImage {
  for (;;) {
    const { image, needs, diagnostics } = assemble({ main, files });
    if (image !== undefined) return loadImage(image.bytes, { base: image.origin, memoryBytes, name: main });
    if (needs === undefined || needs.length === 0) throw new Error(JSON.stringify(diagnostics));
    for (const name of needs) files.set(name, readFileSync(join(MINIKERNEL, name), 'utf8'));
  }
}

export interface Run {
  readonly machine: Machine;
  readonly facts: Facts;
  run(count?: number): MachineStop;
  digest(): Digest;
}

export function start(settings: Partial<MachineConfig>, image?: BootImage): Run {
  const config = { ...DEFAULT_CONFIG, ...settings };
  const machine = buildMachine(config, image ?? minikernel(config.memoryMiB));
  const facts = new Facts();
  facts.follow(machine.events);
  return {
    machine,
    facts,
    run: (count) => machine.run(count === undefined ? {} : { count }),
    digest: () => digestOf(machine.guest(), facts.all),
  };
}

const images = new Map<number, BootImage>();

export function minikernel(memoryMiB: number): BootImage {
  let image = images.get(memoryMiB);
  if (image === undefined) {
    const main = 'kernel.asm';
    const files = new Map([[main, readFileSync(join(MINIKERNEL, main), 'utf8')]]);
    image = bootImage(main, files, memoryMiB << 20);
    images.set(memoryMiB, image);
  }
  return image;
}

/** Inline NASM source at 1 MiB, entry first. */
export function inlineGuest(source: string): BootImage {
  return bootImage('t.asm', new Map([['t.asm', `bits 32\norg 0x100000\n${source}\n`]]), DEFAULT_CONFIG.memoryMiB << 20);
}
