/**
 * The vocabulary of events: every kind with its payload fields, as one table from which the writer, the readers, the
 * facts, the views and the tests derive.
 */

/** How an event of a kind is kept by default: folded into the facts only, or also stored as a record. */
export type Retention = 'counted' | 'recorded';

export interface EventKindInfo {
  readonly name: string;
  /** Payload field names, at most 8; each is one unsigned 32-bit word. */
  readonly fields: readonly string[];
  readonly retention: Retention;
}

const kinds = {
  /** Privilege change the guest sees (virtual CPL): cause is a RingCause, vector where it has one. */
  ring: { fields: ['from', 'to', 'cause', 'vector'], retention: 'recorded' },
  /** VM exit or deprivileged trap into the VMM. reason: basic exit reason; qualification; handler: index in HANDLER_NAMES. */
  exit: { fields: ['reason', 'qualification', 'handler', 'vector', 'linear', 'gpa'], retention: 'recorded' },
  /** VM entry or return from the VMM to its guest; injected: entry interruption information or 0. */
  entry: { fields: ['injected'], retention: 'recorded' },
  worldSwitch: { fields: ['from', 'to'], retention: 'counted' },
  /** A page fault by class (FaultClass): gva, gpa where known (0xffffffff where not), page-fault error code. */
  fault: { fields: ['class', 'gva', 'gpa', 'errorCode'], retention: 'recorded' },
  /** Shadow upkeep (ShadowOp): guest root, gva, gpa, hpa. */
  shadow: { fields: ['op', 'gva', 'gpa', 'hpa', 'root'], retention: 'recorded' },
  /** One page-walk reference: dim 0 guest, 1 host (nested); level 1 is the leaf; address read; entry value. */
  walkRef: { fields: ['dim', 'level', 'address', 'value'], retention: 'counted' },
  /** op: TlbOp; tag: VPID or 0; page: linear page number (flush: 0xffffffff for all). */
  tlb: { fields: ['op', 'tag', 'page'], retention: 'counted' },
  /** Interrupt line or vector: op is an IrqOp. */
  irq: { fields: ['op', 'vector'], retention: 'recorded' },
  /** Guest-visible delivery of an exception or interrupt through the guest's IDT: kind is a DeliveryKind. */
  deliver: { fields: ['vector', 'kind', 'errorCode', 'cr2'], retention: 'recorded' },
  /** Guest-visible port access: direction 0 in, 1 out. */
  pio: { fields: ['direction', 'port', 'size', 'value'], retention: 'counted' },
  /** A byte (or word) that a device gave to the outside: device is a DeviceOutput. */
  output: { fields: ['device', 'value'], retention: 'counted' },
  /** The guest wrote one of its control registers (guest-visible): register number, new value, old value. */
  control: { fields: ['register', 'value', 'old'], retention: 'recorded' },
  /** A sensitive, unprivileged instruction gave the guest something else than on a bare machine. */
  leak: { fields: ['instruction', 'seen', 'expected'], retention: 'recorded' },
  /** VMM frame allocation: owner is a FrameOwner. */
  frame: { fields: ['owner', 'hpa'], retention: 'counted' },
  /** A user's edit or an input, from the input log. */
  input: { fields: ['what', 'a', 'b'], retention: 'recorded' },
  /** The machine or VM stopped for good: cause is a StopCause. */
  stop: { fields: ['cause', 'value'], retention: 'recorded' },
} as const satisfies Record<string, Omit<EventKindInfo, 'name'>>;

export type EventKind = keyof typeof kinds;

export const EVENT_KINDS: readonly EventKindInfo[] = Object.entries(kinds).map(([name, k]) => ({ name, ...k }));
const NUMBER = new Map(EVENT_KINDS.map((k, i) => [k.name, i]));

/** The number that stands for a kind in a record. */
export function eventKindNumber(kind: EventKind): number {
  return NUMBER.get(kind) ?? 0;
}

export function eventKindName(number: number): EventKind {
  // The table is built from the keys of `kinds`.
  return (EVENT_KINDS[number]?.name ?? 'stop') as EventKind;
}

export const RingCause = { interrupt: 0, exception: 1, software: 2, iret: 3, far: 4, fast: 5, task: 6 } as const;
export const RING_CAUSE_NAMES = ['irq', 'exception', 'int', 'iret', 'far transfer', 'sysenter', 'task'] as const;
export const FaultClass = { true: 0, hidden: 1, trace: 2, mmio: 3, ept: 4 } as const;
export const FAULT_CLASS_NAMES = ['true', 'hidden', 'trace', 'mmio', 'ept'] as const;
export const ShadowOp = { fill: 0, sync: 1, zap: 2, protect: 3, switchRoot: 4, newRoot: 5 } as const;
export const SHADOW_OP_NAMES = ['fill', 'sync', 'zap', 'protect', 'switchRoot', 'newRoot'] as const;
export const TlbOp = { miss: 0, fill: 1, flushPage: 2, flushTag: 3, flushAll: 4, evict: 5 } as const;
export const TLB_OP_NAMES = ['miss', 'fill', 'flushPage', 'flushTag', 'flushAll', 'evict'] as const;
export const IrqOp = { raise: 0, acknowledge: 1, inject: 2, window: 3 } as const;
export const IRQ_OP_NAMES = ['raise', 'acknowledge', 'inject', 'window'] as const;
export const DeliveryKind = { interrupt: 0, exception: 1, software: 2 } as const;
export const DeviceOutput = { uart: 0, debugExit: 1, debugConsole: 2 } as const;
export const StopCause = {
  debugExit: 0,
  haltedForever: 1,
  tripleFault: 2,
  entryFailure: 3,
  vmmError: 4,
  unsupported: 5,
} as const;
export const STOP_CAUSE_NAMES = [
  'debugExit',
  'haltedForever',
  'tripleFault',
  'entryFailure',
  'vmmError',
  'unsupported',
] as const;
export const World = { guest: 0, vmm: 1 } as const;

/** Which VMM handler an exit went to (the `handler` word of `exit`). */
export const HandlerKind = {
  none: 0,
  pageFault: 1,
  emulate: 2,
  inject: 3,
  externalInterrupt: 4,
  controlRegister: 5,
  invlpg: 6,
  port: 7,
  hlt: 8,
  cpuid: 9,
  eptViolation: 10,
  interruptWindow: 11,
  debugRegister: 12,
  msr: 13,
  tripleFault: 14,
  descriptorTable: 15,
  rdtsc: 16,
} as const;
export const HANDLER_NAMES = [
  'none',
  'page fault',
  'emulate',
  'inject',
  'external interrupt',
  'control register',
  'INVLPG',
  'port',
  'HLT',
  'CPUID',
  'EPT violation',
  'interrupt window',
  'debug register',
  'MSR',
  'triple fault',
  'descriptor table',
  'RDTSC',
] as const;

/** "Not known" or "does not apply" in a payload word. */
export const NONE = 0xffffffff;
