/** Events in words: why the guest ended, and what was delivered to it. */
import { DeliveryKind, eventKindNumber, StopCause } from '../machine/event-kinds';
import { EVENT_WORDS, type EventObject, EW, readEvent } from '../machine/events';
import type { Machine } from '../machine/machine';
import type { MachineStop } from '../machine/machine-stop';
import { exceptionInfo } from '../x86/exceptions';
import { CS, SS } from '../x86/registers';
import { vectorName } from './event-filters';
import { readLinear } from './guest-memory';

/** `irq 0x20`, `int 0x80` or `#PF`. */
function deliveryName(event: EventObject): string {
  const { vector = 0, kind } = event.fields;
  if (kind === DeliveryKind.interrupt) return `irq 0x${vector.toString(16)}`;
  return kind === DeliveryKind.software ? `int 0x${vector.toString(16)}` : vectorName(vector);
}

/** Frames remembered: more than the stacks of any guest of a lesson hold at once. */
const MOST_FRAMES = 512;

/**
 * What was delivered by which frame on the stack: noted at each delivery by the linear address of the frame, so that a
 * call stack can name it. A note is believed only while the memory still holds the frame.
 */
export class Deliveries {
  private readonly byFrame = new Map<number, { readonly eip: number; readonly name: string }>();

  constructor(private readonly machine: Machine) {
    const deliver = eventKindNumber('deliver');
    machine.events.onEvent((words, offset) => {
      if (((words[offset + EW.head] ?? 0) & 0xff) === deliver) {
        this.note(readEvent(words.slice(offset, offset + EVENT_WORDS), 0, -1));
      }
    });
  }

  /** The handler's first instruction comes next: ESP is at the error code or at the return address. */
  private note(event: EventObject): void {
    const view = this.machine.guest();
    const esp = (view.state.base(SS) + view.state.gpr(4)) >>> 0;
    const pushed =
      event.fields['kind'] === DeliveryKind.exception && exceptionInfo(event.fields['vector'] ?? 0)?.errorCode;
    const frame = pushed === true ? (esp + 4) >>> 0 : esp;
    const eip = readLinear(view, frame, 4);
    if (eip === undefined) return;
    this.byFrame.delete(frame);
    this.byFrame.set(frame, { eip, name: deliveryName(event) });
    const oldest = this.byFrame.keys().next();
    if (this.byFrame.size > MOST_FRAMES && oldest.done !== true) this.byFrame.delete(oldest.value);
  }

  /** What was delivered by the frame at a linear address that returns to `eip`, if it is known. */
  nameOf(frame: number, eip: number): string | undefined {
    const noted = this.byFrame.get(frame);
    return noted?.eip === eip ? noted.name : undefined;
  }
}

/** What the end of the guest means: exit status 0 only when it ended as it meant to. */
export function endText(
  machine: Machine,
  placeText: (address: number) => string,
): { readonly exitCode: number; readonly description: string } {
  const { state } = machine.guest();
  const place = placeText((state.base(CS) + state.eip) >>> 0);
  const cause = machine.stopped?.cause;
  const value = machine.stopped?.value ?? 0;
  switch (cause) {
    case StopCause.debugExit:
      return { exitCode: value, description: `The guest ended with status ${value}.` };
    case StopCause.haltedForever:
      return {
        exitCode: 1,
        description: `The guest halted for ever at ${place}: HLT with interrupts off or no timer running.`,
      };
    case StopCause.tripleFault:
      return {
        exitCode: 1,
        description: `Triple fault at ${place}: the guest could not enter its double-fault handler.`,
      };
    case StopCause.entryFailure:
      return { exitCode: 1, description: `VM entry failed at ${place}: the processor refused the VMCS.` };
    default: {
      const { message } = machine.stopped ?? {};
      return { exitCode: 1, description: message ?? `The simulator stopped the guest at ${place}.` };
    }
  }
}

/** Why a run came back although its guest has not ended. @param limit guest instructions that the run was given */
export function unendedText(stop: MachineStop, limit: number): string {
  if (stop.reason === 'stalled') return stop.message;
  if (stop.reason === 'waiting')
    return 'The guest is halted, and nothing can wake it: it waits for input from outside.';
  return `The guest had not ended after ${limit} instructions.`;
}
