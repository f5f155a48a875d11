/**
 * The digest of a run: equal for the same guest under every technique that claims to be correct. It takes virtual
 * registers, guest memory, device output and the faults delivered, and leaves time and cost out.
 */
import { guestRegisterWords } from '../machine/guest-registers';
import type { GuestView } from '../machine/guest-view';
import { StateHasher } from '../machine/state-hash';
import { PAGE_SIZE } from '../x86/paging-bits';
import type { FactsState } from './facts';

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
  const registers = new StateHasher().value(guestRegisterWords(view.state)).digest();
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

function hashMemory(view: GuestView): string {
  const hash = new StateHasher().number(view.gpaSize);
  for (let gpa = 0; gpa < view.gpaSize; gpa += PAGE_SIZE) {
    const page = view.readGpa(gpa, PAGE_SIZE);
    // Most of memory is zero and need not be mixed in.
    if (!isZero(page)) hash.number(gpa).bytes(page);
  }
  return hash.digest();
}

/** @param page a copy of its own, so that it is aligned */
function isZero(page: Uint8Array): boolean {
  const words = new Int32Array(page.buffer, 0, page.length / 4);
  // A loop, and not some(): this reads all of a guest's memory.
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}
