/** The minikernel for tests: assembled by our assembler, with its labels, and machines that are about to start it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AssembledImage, assemble } from '../../src/assembler';
import { Facts } from '../../src/facts/facts';
import { type LoadedImage, loadImage } from '../../src/images/loader';
import { DEFAULT_CONFIG, type MachineConfig } from '../../src/machine/config';
import type { Machine } from '../../src/machine/machine';
import { buildMachine } from '../../src/vmm/build';

const FOLDER = join(import.meta.dirname, '../../guests/minikernel');
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
  return assembleGuest('kernel.asm', (name) => readFileSync(join(FOLDER, name), 'utf8'));
}

/** What QEMU printed, in lines. */
export function expectedLines(): string[] {
  return readFileSync(join(FOLDER, 'output.txt'), 'latin1').split('\n');
}

export interface TestMachine {
  readonly machine: Machine;
  readonly facts: Facts;
}

/** A machine about to start the program. */
export function testMachine(program: GuestProgram, settings: Partial<MachineConfig> = {}): TestMachine {
  const machine = buildMachine({ ...DEFAULT_CONFIG, ...settings }, program.loaded);
  const facts = new Facts();
  facts.follow(machine.events);
  machine.register('facts', facts);
  return { machine, facts };
}

export type Setting = Pick<MachineConfig, 'cpu' | 'mmu'>;

export const SETTINGS: readonly Setting[] = [
  { cpu: 'native', mmu: 'none' },
  { cpu: 'trap', mmu: 'shadow' },
  { cpu: 'hw', mmu: 'shadow' },
  { cpu: 'hw', mmu: 'nested' },
];

/** A seeded sequence of numbers, each below what it is asked for, so that a failure can be run again. */
export function sequence(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
