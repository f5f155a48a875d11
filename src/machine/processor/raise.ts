/**
 * Raising an event: delivery, and what becomes of a fault during delivery: the second fault, a double fault or a triple
 * fault (Intel SDM 3A, "Interrupt 8 - Double Fault Exception (#DF)", table of conditions).
 */
import { DF, type ExceptionSeverity, exceptionInfo, GuestFault } from '../../x86/exceptions';
import { type CpuContext, type PendingEvent, TripleFault, vectored } from './context';
import { deliverEvent } from './interrupts';

/** The event that a fault of an instruction is. */
export function faultEvent(fault: GuestFault): PendingEvent {
  return { vector: fault.vector, kind: 'exception', errorCode: fault.errorCode, cr2: fault.linear };
}

function severity(event: PendingEvent): ExceptionSeverity {
  return event.kind === 'exception' ? (exceptionInfo(event.vector)?.severity ?? 'benign') : 'benign';
}

/**
 * What is to be delivered when delivering `first` raised `second`.
 * @returns the second itself, a double fault, or 'shutdown'
 */
export function combine(first: PendingEvent, second: PendingEvent): PendingEvent | 'shutdown' {
  const [a, b] = [severity(first), severity(second)];
  const harmful = b === 'contributory' || b === 'page-fault';
  if (a === 'double') return harmful ? 'shutdown' : second;
  const doubles = (a === 'contributory' && b === 'contributory') || (a === 'page-fault' && harmful);
  return doubles ? { vector: DF, kind: 'exception', errorCode: 0 } : second;
}

/** Exceptions can be intercepted by the VMX exception bitmap; INT n and external interrupts cannot. */
function askException(ctx: CpuContext, event: PendingEvent): void {
  if (event.kind === 'software' || event.kind === 'interrupt') return;
  ctx.vmx?.exception(vectored(event), event.cr2 ?? event.debugStatus);
}

/**
 * Delivers an event, and whatever its delivery turns into.
 * @param injected by a VM entry: the exception bitmap is not asked for the event itself
 * @returns the event that was delivered in the end
 * @throws TripleFault; VmExit in VMX non-root operation
 */
export function raise(ctx: CpuContext, event: PendingEvent, injected = false): PendingEvent {
  if (!injected) askException(ctx, event);
  let current = event;
  // Each round goes up the table (any event, exception, double fault), so there are at most a few.
  for (;;) {
    ctx.vmx?.beginDelivery(vectored(current));
    try {
      deliverEvent(ctx, current);
      ctx.vmx?.endDelivery();
      return current;
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      const second = faultEvent(error);
      const next = combine(current, second);
      askException(ctx, second);
      ctx.vmx?.endDelivery();
      if (next === 'shutdown') {
        ctx.vmx?.tripleFault();
        throw new TripleFault(current);
      }
      if (next !== second) askException(ctx, next);
      current = next;
    }
  }
}
