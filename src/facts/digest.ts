/**
 * The digest of a run: equal for the same guest under every technique that claims to be correct. It takes virtual
 * registers, guest memory, device output and the faults delivered, and leaves time and cost out.
 */
import type { CpuState } from '../engine/state';
import { AR_UNUSABLE, OFF } from '../engine/state';
import { FLAG_RF } from '../x86/flags';
import { PAGE_SIZE } from '../x86/paging-bits';
import { SEGMENT_NAMES, type SegmentIndex } from '../x86/registers';
import type { GuestView } from '../machine/guest-view';
import { StateHasher } from '../machine/state-hash';
import type { FactsState } from './facts';

/** Words of the state block that a guest can read back and that mean the same under every technique. */
const REGISTERS = [
  OFF.rip,
  OFF.cr0,
  OFF.cr2,
  OFF.cr3,
  OFF.cr4,
  OFF.gdtrBase,
  OFF.gdtrLimit,
  OFF.idtrBase,
  OFF.idtrLimit,
  OFF.cpl,
] as const;

/** The digest of each part; `machine` covers all of them. */
export interface Digest {
  readonly machine: string;
  readonly registers: string;
  readonly memory: string;
  readonly output: string;
  readonly faults: string;
}

/** digest.machine and its parts: a difference between two runs shows in the part where it lies. */
export function digestOf(view: GuestView, facts: Readonly<FactsState>): Digest {
  const registers = hashRegisters(view.state);
  const memory = hashMemory(view);
  const { uartOutput, consoleOutput } = view.platform;
  const output = new StateHasher()
    .number(uartOutput.count)
    .word(uartOutput.hash)
    .number(consoleOutput.count)
    .word(consoleOutput.hash)
    .digest();
  const faults = new StateHasher().word(facts.deliveryHash).digest();
  const machine = new StateHasher().text(registers).text(memory).text(output).text(faults).digest();
  return { machine, registers, memory, output, faults };
}

function hashRegisters(state: CpuState): string {
  const hash = new StateHasher();
  for (let i = 0; i < 8; i++) hash.word(state.gpr(i));
  // RF only says how the last fault was resumed.
  hash.word(state.eflags & ~FLAG_RF);
  for (const offset of REGISTERS) hash.word(state.word(offset));
  SEGMENT_NAMES.forEach((_, i) => {
    const segment = i as SegmentIndex; // the names stand in the order of the indices
    hash.word(state.selector(segment));
    const unusable = (state.attributes(segment) & AR_UNUSABLE) !== 0;
    // The hidden part of an unusable segment is undefined.
    if (unusable) hash.word(AR_UNUSABLE);
    else hash.word(state.attributes(segment)).word(state.base(segment)).word(state.limit(segment));
  });
  return hash.digest();
}

function hashMemory(view: GuestView): string {
  const hash = new StateHasher().number(view.gpaSize);
  for (let gpa = 0; gpa < view.gpaSize; gpa += PAGE_SIZE) {
    const page = view.readGpa(gpa, PAGE_SIZE);
    const words = new BigUint64Array(page.buffer, page.byteOffset, page.byteLength / 8);
    // Most of memory is zero and need not be mixed in.
    if (words.some((word) => word !== 0n)) hash.number(gpa).bytes(page);
  }
  return hash.digest();
}
