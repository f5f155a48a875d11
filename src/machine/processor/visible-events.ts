/**
 * The events of what a guest sees of its processor, made in one place: the real processor emits them natively and in VMX
 * non-root operation, a VMM for what it does in the guest's name.
 */
import { DeliveryKind } from '../event-kinds';
import type { EventStream } from '../events';
import type { PendingEvent, PendingEventKind, RingChange } from './context';

const DELIVERY_KINDS: Readonly<Record<PendingEventKind, number>> = {
  interrupt: DeliveryKind.interrupt,
  nmi: DeliveryKind.interrupt,
  exception: DeliveryKind.exception,
  software: DeliveryKind.software,
  'privileged-software': DeliveryKind.software,
  'software-exception': DeliveryKind.software,
};

/** `deliver`, and `ring` when the ring changed. */
export function emitDelivered(events: EventStream, event: PendingEvent, change: RingChange): void {
  events.emitAt(change.ip, 'deliver', event.vector, DELIVERY_KINDS[event.kind], event.errorCode ?? 0, event.cr2 ?? 0);
  if (change.from !== change.to) emitRing(events, change);
}

export function emitRing(events: EventStream, change: RingChange): void {
  events.emitAt(change.ip, 'ring', change.from, change.to, change.cause, change.vector);
}

export function emitControl(events: EventStream, register: number, value: number, old: number): void {
  events.emit('control', register, value, old);
}

export function emitPort(
  events: EventStream,
  direction: 'in' | 'out',
  port: number,
  size: number,
  value: number,
): void {
  events.emit('pio', direction === 'in' ? 0 : 1, port, size, value);
}
