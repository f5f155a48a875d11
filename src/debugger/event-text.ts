/** Events in words: why the guest ended, and what was delivered to it. */
import { DeliveryKind, StopCause } from '../machine/event-kinds';
import type { EventStream } from '../machine/events';
import type { Machine } from '../machine/machine';
import { CS } from '../x86/registers';
import { vectorName } from './event-filters';

/** Recorded events that are looked through for a delivery, newest first. */
const LOOK_BACK = 4096;

/** `irq 0x20`, `int 0x80` or `#PF`: the newest delivery that left this return address, where the events still tell. */
export function deliveryText(events: EventStream, eip: number): string | undefined {
  const oldest = Math.max(events.firstIndex, events.endIndex - LOOK_BACK);
  for (let i = events.endIndex - 1; i >= oldest; i--) {
    const event = events.at(i);
    if (event?.kind !== 'deliver') continue;
    const { vector = 0, kind } = event.fields;
    const software = kind === DeliveryKind.software;
    // The event stands at the interrupted instruction; INT n itself is two bytes long and pushes the address behind it.
    if (event.ip !== eip && !(software && event.ip + 2 === eip)) continue;
    if (kind === DeliveryKind.interrupt) return `irq 0x${vector.toString(16)}`;
    return software ? `int 0x${vector.toString(16)}` : vectorName(vector);
  }
  return undefined;
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
      return { exitCode: 1, description: `The guest halted for ever at ${place}: HLT with interrupts off or no timer running.` };
    case StopCause.tripleFault:
      return { exitCode: 1, description: `Triple fault at ${place}: the guest could not enter its double-fault handler.` };
    case StopCause.entryFailure:
      return { exitCode: 1, description: `VM entry failed at ${place}: the processor refused the VMCS.` };
    default:
      return { exitCode: 1, description: `The simulator stopped the guest at ${place}.` };
  }
}
