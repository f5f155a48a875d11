/** Guests under VT-x for tests, held against the bare machine. */
import { expect } from 'vitest';
import type { Digest } from '../../facts/digest';
import type { FactsState } from '../../facts/facts';
import type { MachineConfig } from '../../machine/config';
import type { Machine } from '../../machine/machine';
import type { MachineStop } from '../../machine/machine-stop';
import { guestAt, NATIVE, type Run, start } from '../guest.test-support';

/** A guest that has run to its end. */
export interface Ended {
  readonly machine: Machine;
  readonly facts: Readonly<FactsState>;
  readonly stop: MachineStop;
  readonly digest: Digest;
}

type Overrides = Partial<MachineConfig>;
export const SHADOW: Overrides = { cpu: 'hw', mmu: 'shadow' };
export const NESTED: Overrides = { cpu: 'hw', mmu: 'nested' };

export const build = (source: string, settings: Overrides): Run =>
  start({ memoryMiB: 4, ...settings }, guestAt(source));

export function finish({ machine, facts, run, digest }: Run): Ended {
  const stop = run(200_000);
  return { machine, facts: facts.all, stop, digest: digest() };
}

export const run = (source: string, settings: Overrides): Ended => finish(build(source, settings));

/** Runs the guest natively and under both VT-x settings and expects the same end; returns the three runs. */
export function compare(source: string, overrides: Overrides = {}): Record<'native' | 'shadow' | 'nested', Ended> {
  const native = run(source, { ...NATIVE, ...overrides });
  const shadow = run(source, { ...SHADOW, ...overrides });
  const nested = run(source, { ...NESTED, ...overrides });
  expect(native.stop.reason).toBe('stopped');
  for (const other of [shadow, nested]) {
    expect(other.stop).toEqual(native.stop);
    expect(other.machine.clock.save()).toEqual(native.machine.clock.save());
    expect(other.digest).toEqual(native.digest);
  }
  return { native, shadow, nested };
}

export const exits = (r: Ended, reason: number): number => r.facts.exitsByReason[reason] ?? 0;
export const EXIT = `
  mov al, 0
  out 0xf4, al
  jmp $
`;
/** Identity page tables at 1 MiB for the first 4 MiB, paging on. */
export const PAGING = `
  mov edi, 0x101000
  mov eax, 7
.fill:
  mov [edi], eax
  add edi, 4
  add eax, 0x1000
  cmp eax, 0x400000
  jb .fill
  mov dword [0x100000], 0x101007
  mov eax, 0x100000
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80000000
  mov cr0, eax
`;
