/**
 * What system instructions and event delivery act on: the real processor, or a VMM's virtual processor over the guest's
 * own tables. Everything in this folder but `processor.ts` and `mmu.ts` is written against these interfaces only.
 */
import type { LinearMemory } from '../../engine/access';
import type { CpuState } from '../../engine/state';
import type { CpuidResult, CpuProfile } from '../../x86/profiles';
import { EventType, type EventTypeNumber, type VectoredEvent, type VmxUnit } from './vmx/interface';

/**
 * How an event came about; the names of VMX interruption types 0, 2, 3, 4, 5 and 6 (Intel SDM 3C, "VM-Entry Controls for
 * Event Injection"): external interrupt, NMI, hardware exception, INT n, INT1, INT3 and INTO.
 */
export type PendingEventKind =
  | 'interrupt'
  | 'nmi'
  | 'exception'
  | 'software'
  | 'privileged-software'
  | 'software-exception';

/** An interrupt or exception on its way through the IDT. */
export interface PendingEvent {
  /** 0 to 255. */
  readonly vector: number;
  readonly kind: PendingEventKind;
  /** Pushed after the return address when defined. */
  readonly errorCode?: number;
  /** Loaded into CR2 when the delivery begins (page faults only; a VM entry injects without it). */
  readonly cr2?: number;
  /** Bits set in DR6 when the delivery begins (debug exceptions only). */
  readonly debugStatus?: number;
  /** Bytes of the INT instruction, for the three software kinds: the pushed EIP lies behind it. */
  readonly length?: number;
}

/** VMX interruption types of the kinds. */
export const PENDING_EVENT_TYPES: Readonly<Record<PendingEventKind, EventTypeNumber>> = {
  interrupt: EventType.externalInterrupt,
  nmi: EventType.nmi,
  exception: EventType.hardwareException,
  software: EventType.softwareInterrupt,
  'privileged-software': EventType.privilegedSoftwareException,
  'software-exception': EventType.softwareException,
};

/** The event in the VMX unit's words. */
export function vectored(event: PendingEvent): VectoredEvent {
  return {
    vector: event.vector,
    type: PENDING_EVENT_TYPES[event.kind],
    errorCode: event.errorCode,
    length: event.length,
  };
}

/** An event in the VMX unit's words, as a pending one. */
export function pendingEvent(event: VectoredEvent): PendingEvent {
  const kind = KINDS_BY_TYPE.get(event.type) ?? 'exception';
  return { vector: event.vector, kind, errorCode: event.errorCode, length: event.length };
}

// The table's keys are exactly the kinds.
const KINDS_BY_TYPE = new Map(
  Object.entries(PENDING_EVENT_TYPES).map(([kind, type]) => [type, kind as PendingEventKind] as const),
);

/** What a delivery or a return did to the ring, for events. */
export interface RingChange {
  readonly from: number;
  readonly to: number;
  /** A `RingCause` number. */
  readonly cause: number;
  /** Vector of a delivery, `NONE` for returns and far transfers. */
  readonly vector: number;
  /** Offset in the old CS of the instruction at which it happened: the one that caused it, or that was interrupted. */
  readonly ip: number;
}

/** The third fault in a row: the processor shuts down. In VMX non-root operation it is a VM exit instead. */
export class TripleFault extends Error {
  /** @param event the event whose delivery failed at last (the double fault) */
  constructor(readonly event: PendingEvent) {
    super('Triple fault: the double-fault handler could not be entered');
  }
}

/**
 * The guest used something that this version of the simulator does not have. It stops the machine with a sentence, so that
 * nothing is ever silently wrong.
 */
export class UnsupportedFeature extends Error {
  /**
   * @param feature a noun phrase, e.g. "a hardware task switch"
   * @param eip offset in CS of the instruction
   */
  constructor(
    readonly feature: string,
    readonly eip: number,
  ) {
    super(
      `The instruction at 0x${eip.toString(16)} needs ${feature}, which this version of Ringside does not simulate.`,
    );
  }
}

/** Where maskable external interrupts come from. */
export interface InterruptSource {
  /** True while an interrupt is requested. */
  pending(): boolean;
  /** Acknowledges the highest request and returns its vector, 0 to 255. Only when {@link pending}. */
  acknowledge(): number;
}

/** What system instructions and event delivery act on. Methods must not throw unless they say so. */
export interface CpuContext {
  readonly state: CpuState;
  readonly profile: CpuProfile;
  /** Memory through this context's own page tables, at its own CPL; the supervisor flag serves descriptor tables and the TSS. */
  readonly memory: LinearMemory;
  /** Device access of `size` 1, 2 or 4 bytes; IOPL and the permission bitmap have been checked. Emits `pio`. */
  portIn(port: number, size: number): number;
  portOut(port: number, size: number, value: number): void;
  /** After CR0, CR3 or CR4 has been written: TLB flush, mode change, `control` event. Called also when the value is the same. */
  controlRegisterWritten(register: 0 | 3 | 4, old: number): void;
  /** INVLPG: drops what is cached of the page of a linear address. */
  invalidatePage(linear: number): void;
  /** CPL, a segment register, CR0, CR4 or EFLAGS (IF, IOPL, TF) may have changed. */
  modeChanged(): void;
  /** An event has been delivered through the IDT and the ring changed (or not) by it: emits `deliver`, and `ring` when from differs from to. */
  delivered(event: PendingEvent, change: RingChange): void;
  /** A return or far transfer changed the ring: emits `ring`. */
  ringChanged(change: RingChange): void;
  /** Guest time: instructions retired plus idle time. */
  timeStampCounter(): number;
  /** HLT: no instruction runs until an interrupt. EIP lies behind HLT already. */
  halt(): void;
  cpuid(leaf: number, subleaf: number): CpuidResult;
  /** The value of an MSR (64 bits), or undefined when there is none (then #GP(0) is raised). */
  readMsr(index: number): bigint | undefined;
  /** False when there is no such MSR or the value is reserved (then #GP(0) is raised). */
  writeMsr(index: number, value: bigint): boolean;
  /** The real processor's VMX unit; undefined on virtual processors and on profiles without VT-x. */
  readonly vmx?: VmxUnit;
}
