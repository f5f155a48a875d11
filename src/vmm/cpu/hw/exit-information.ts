/** What a VM exit left in the VMCS, read once (Intel SDM 3C, "VM-Exit Information Fields"). */
import { NONE } from '../../../machine/event-kinds';
import { EventType } from '../../../machine/processor/vmx/interface';
import type { PendingEvent, PendingEventKind } from '../../../machine/processor/context';
import { ExitReason } from '../../../x86/vmx/exit-reasons';
import { type Interruption, unpackInterruption } from '../../../x86/vmx/interruption';
import { EptViolation } from '../../../x86/vmx/qualification';
import type { VmcsAccess } from './vmcs-access';

export interface ExitInformation {
  /** The whole field: bit 31 tells a failed entry. */
  readonly reason: number;
  readonly qualification: number;
  /** Bytes of the instruction that exited, or of the INT n whose delivery did. */
  readonly instructionLength: number;
  /** The exception or acknowledged interrupt that exited. */
  readonly interruption: Interruption | undefined;
  readonly errorCode: number;
  /** Guest-linear address, where the exit has one. */
  readonly linear: number | undefined;
  readonly gpa: number | undefined;
  /** The event whose delivery the exit cut short. */
  readonly vectoring: PendingEvent | undefined;
}

const KINDS: ReadonlyMap<number, PendingEventKind> = new Map([
  [EventType.externalInterrupt, 'interrupt'],
  [EventType.nmi, 'nmi'],
  [EventType.hardwareException, 'exception'],
  [EventType.softwareInterrupt, 'software'],
  [EventType.privilegedSoftwareException, 'privileged-software'],
  [EventType.softwareException, 'software-exception'],
]);

/** The event that an interruption-information field and its companions describe. */
function pendingEvent(field: Interruption, errorCode: number, length: number): PendingEvent {
  const software = field.type >= EventType.softwareInterrupt;
  return {
    vector: field.vector,
    kind: KINDS.get(field.type) ?? 'exception',
    errorCode: field.hasErrorCode ? errorCode : undefined,
    length: software ? length : undefined,
  };
}

export function readExit(vmcs: VmcsAccess): ExitInformation {
  const reason = vmcs.read('exitReason');
  const qualification = vmcs.read('exitQualification');
  const instructionLength = vmcs.read('exitInstructionLength');
  const vectoring = unpackInterruption(vmcs.read('idtVectoring'));
  const violation = reason === ExitReason.eptViolation;
  return {
    reason,
    qualification,
    instructionLength,
    interruption: unpackInterruption(vmcs.read('exitInterruption')),
    errorCode: vmcs.read('exitErrorCode'),
    linear: linearAddress(vmcs, reason, qualification),
    gpa: violation || reason === ExitReason.eptMisconfiguration ? vmcs.readWide('guestPhysicalAddress') : undefined,
    vectoring:
      vectoring === undefined
        ? undefined
        : pendingEvent(vectoring, vmcs.read('idtVectoringErrorCode'), instructionLength),
  };
}

function linearAddress(vmcs: VmcsAccess, reason: number, qualification: number): number | undefined {
  switch (reason) {
    // The qualification of an intercepted page fault is its linear address, that of INVLPG its operand.
    case ExitReason.exceptionOrNmi:
    case ExitReason.invlpg:
      return qualification;
    case ExitReason.eptViolation:
      return (qualification & EptViolation.linearValid) === 0 ? undefined : vmcs.read('guestLinearAddress');
    default:
      return undefined;
  }
}

/** A payload word of an event for something that may be absent. */
export function word(value: number | undefined): number {
  return value ?? NONE;
}
