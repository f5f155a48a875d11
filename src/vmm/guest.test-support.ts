/** Guests for tests of whole machines: assembled by our assembler, and machines of any setting that are about to start them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AssembledImage, assemble } from '../assembler';
import { type Digest, digestOf } from '../facts/digest';
import { Facts } from '../facts/facts';
import { type LoadedImage, loadImage } from '../images/loader';
import { DEFAULT_CONFIG, type MachineConfig } from '../machine/config';
import type { Machine } from '../machine/machine';
import type { MachineStop } from '../machine/machine-stop';
import { buildMachine } from './build';

const MINIKERNEL = join(import.meta.dirname, '../../guests/minikernel');
const MIB = 1024 * 1024;

export interface GuestProgram {
  readonly image: AssembledImage;
  readonly loaded: LoadedImage;
  /** Address of a label; throws for one that is not there. */
  label(name: string): number;
}

/** Assembles sources given by name; `main` includes the others. */
export function assembleGuest(main: string, sources: (name: string) => string | Uint8Array): GuestProgram {
  const files = new Map<string, string | Uint8Array>([[main, sources(main)]]);
  for (;;) {
    const result = assemble({ main, files });
    if (result.needs !== undefined && result.needs.length > 0) {
      for (const name of result.needs) files.set(name, sources(name));
      continue;
    }
    const { image } = result;
    if (image === undefined)
      throw new Error(result.diagnostics.map((d) => `${d.file}:${d.line}: ${d.message}`).join('\n'));
    const labels = new Map(image.symbols.map((symbol) => [symbol.name, symbol.value]));
    return {
      image,
      loaded: loadImage(image.bytes, { memoryBytes: DEFAULT_CONFIG.memoryMiB * MIB, base: image.origin }),
      label(name) {
        const value = labels.get(name);
        if (value === undefined) throw new Error(`The guest has no label ${name}.`);
        return value;
      },
    };
  }
}

export function minikernel(): GuestProgram {
  return assembleGuest('kernel.asm', (name) => readFileSync(join(MINIKERNEL, name), 'utf8'));
}

/** What QEMU printed for the minikernel, in lines. */
export function expectedLines(): string[] {
  return readFileSync(join(MINIKERNEL, 'output.txt'), 'latin1').split('\n');
}

/** 32-bit NASM source that says itself where it goes (`org`), entry first. */
export function guestAt(source: string): GuestProgram {
  return assembleGuest('guest.asm', () => `bits 32\n${source}\n`);
}

/** 32-bit NASM source at 1 MiB, entry first. */
export function inlineGuest(source: string): GuestProgram {
  return guestAt(`org 0x100000\n${source}`);
}

/** Source: the master PIC at vectors 0x20 to 0x27, with the lines closed whose bit in the mask is 1. */
export function pic(mask: number): string {
  return `
  mov al, 0x11
  out 0x20, al
  mov al, 0x20
  out 0x21, al
  mov al, 4
  out 0x21, al
  mov al, 1
  out 0x21, al
  mov al, ${mask}
  out 0x21, al
`;
}

/** Source: a timer interrupt (line 0) every so many ticks of the PIT, 2 to 65535, with the other lines closed. */
export function timer(ticks: number): string {
  return `${pic(0xfe)}
  mov al, 0x34
  out 0x43, al
  mov al, ${ticks & 0xff}
  out 0x40, al
  mov al, ${ticks >> 8}
  out 0x40, al
`;
}

export type Setting = Pick<MachineConfig, 'cpu' | 'mmu'>;

export const NATIVE: Setting = { cpu: 'native', mmu: 'none' };
export const VIRTUAL: readonly Setting[] = [
  { cpu: 'trap', mmu: 'shadow' },
  { cpu: 'hw', mmu: 'shadow' },
  { cpu: 'hw', mmu: 'nested' },
];
export const SETTINGS: readonly Setting[] = [NATIVE, ...VIRTUAL];

export interface Run {
  readonly machine: Machine;
  /** Follows the machine's events, and is saved and loaded with it. */
  readonly facts: Facts;
  readonly run: (count?: number) => MachineStop;
  readonly digest: () => Digest;
}

/** More than any test's guest needs: a machine that has gone wrong must fail a test and not hang all of them. */
const MOST_INSTRUCTIONS = 3_000_000;

/** A machine about to start the guest. */
export function start(settings: Partial<MachineConfig>, guest: GuestProgram): Run {
  const machine = buildMachine({ ...DEFAULT_CONFIG, ...settings }, guest.loaded);
  const facts = new Facts();
  facts.follow(machine.events);
  machine.register('facts', facts);
  return {
    machine,
    facts,
    run: (count = MOST_INSTRUCTIONS) => machine.run({ count }),
    digest: () => digestOf(machine.guest(), facts.all),
  };
}

/** A seeded sequence of numbers, each below what it is asked for, so that a failure can be run again. */
export function sequence(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
