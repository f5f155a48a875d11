/**
 * What the rest of the processor needs of VMX non-root operation: the questions that system instructions, event
 * delivery and the MMU ask (Intel SDM 3C, "VMX Non-Root Operation"). Outside non-root operation every question is
 * answered "as a bare processor", so callers need no case of their own.
 *
 * Order inside an instruction (SDM, "Relative Priority of Faults and VM Exits"): invalid opcode, privilege and the I/O
 * permission bitmap first (plain faults), then the question asked here, then all other checks. A question that ends in a
 * VM exit throws {@link VmExit} before the instruction changed anything; whoever runs the processor catches it and
 * calls {@link VmxUnit.exit} with the state block still at the start of the instruction.
 */
import type { ExitReasonNumber } from '../../../x86/vmx/exit-reasons';

/** Details of a VM exit beyond reason and qualification; each is absent where the manual leaves its field undefined. */
export interface VmExitDetail {
  /** VM-exit interruption information (exceptions and acknowledged external interrupts), valid bit included. */
  readonly interruption?: number;
  /** Error code that goes with the interruption information. */
  readonly errorCode?: number;
  readonly guestLinear?: number;
  readonly guestPhysical?: number;
}

/** Thrown by non-root execution when control goes to the VMM. Not a fault of the program: see {@link VmxUnit.exit}. */
export class VmExit extends Error {
  constructor(
    readonly reason: ExitReasonNumber,
    readonly qualification = 0,
    readonly detail: VmExitDetail = {},
  ) {
    super(`VM exit ${reason}`);
  }
}

/** Instructions whose interception has no operands to weigh; control registers, ports and debug registers have methods. */
export type InterceptedInstruction =
  | 'cpuid'
  | 'hlt'
  | 'invd'
  | 'invlpg'
  | 'rdpmc'
  | 'rdtsc'
  | 'rdtscp'
  | 'vmcall'
  | 'vmclear'
  | 'vmlaunch'
  | 'vmptrld'
  | 'vmptrst'
  | 'vmread'
  | 'vmresume'
  | 'vmwrite'
  | 'vmxoff'
  | 'vmxon'
  | 'invept'
  | 'invvpid'
  | 'rdmsr'
  | 'wrmsr'
  | 'mwait'
  | 'monitor'
  | 'pause'
  | 'wbinvd'
  | 'xsetbv'
  | 'taskSwitch'
  /** LGDT, LIDT, SGDT, SIDT. */
  | 'gdtrOrIdtr'
  /** LLDT, LTR, SLDT, STR. */
  | 'ldtrOrTr';

/** An I/O instruction, for the exit qualification. */
export interface PortAccess {
  readonly port: number;
  readonly size: 1 | 2 | 4;
  readonly direction: 'in' | 'out';
  /** INS or OUTS; then linear is the address of the memory operand. */
  readonly string?: boolean;
  readonly rep?: boolean;
  /** The port number is an immediate operand (else DX). */
  readonly immediate?: boolean;
  readonly linear?: number;
}

/** Kinds of event as the interruption-information fields number them (SDM, "Information for VM Exits Due to Vectored Events"). */
export const EventType = {
  externalInterrupt: 0,
  nmi: 2,
  hardwareException: 3,
  softwareInterrupt: 4,
  privilegedSoftwareException: 5,
  softwareException: 6,
} as const;
export type EventTypeNumber = (typeof EventType)[keyof typeof EventType];

/** An event on its way through the IDT. */
export interface VectoredEvent {
  readonly vector: number;
  readonly type: EventTypeNumber;
  readonly errorCode?: number;
  /** Bytes of the INT n, INT3, INTO or INT1 instruction (types 4, 5 and 6). */
  readonly length?: number;
}

export type SecondStageAccess = 'read' | 'write' | 'fetch';

/** What a second-stage (EPT) translation gives. */
export interface SecondStageTranslation {
  readonly hpa: number;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
  /** Bytes that the EPT leaf maps: a combined TLB entry may be no larger. */
  readonly pageSize: number;
}

/** EPT in force: GPAs of the current guest become HPAs. */
export interface SecondStage {
  /**
   * Walks the EPT tables, one `walkRef` event (dim 1) per reference.
   * @param linear the guest-linear address being translated, undefined where there is none (PDPTE loads)
   * @param walk true for a reference to a guest paging structure, false for the final access to the linear address
   * @throws VmExit EPT violation or EPT misconfiguration
   */
  translate(gpa: number, access: SecondStageAccess, linear: number | undefined, walk: boolean): SecondStageTranslation;
}

/** The processor's view of VMX. */
export interface VmxUnit {
  /** 0 outside VMX operation, 1 root, 2 non-root: as OFF.vmxMode of the state block. */
  readonly mode: number;
  readonly inNonRoot: boolean;
  /** TLB tag of linear translations now: the VPID in non-root operation with "enable VPID", else 0. */
  readonly tag: number;
  /** Defined while EPT is in force; then CR3, guest page tables and translated addresses hold GPAs. */
  readonly secondStage: SecondStage | undefined;

  /** Asks about an instruction without operands to weigh; qualification and linear as its exit reports them. */
  intercept(instruction: InterceptedInstruction, qualification?: number, linear?: number): void;
  /** After the privilege and I/O permission bitmap checks; string instructions ask for each iteration. */
  port(access: PortAccess): void;
  /** MOV from CR (or SMSW, gpr undefined): the value that the program sees. */
  readControl(register: 0 | 3 | 4, gpr?: number): number;
  /** MOV to CR: the value to write (host-owned bits keep theirs). @throws GuestFault #GP when VMX operation fixes a bit otherwise */
  writeControl(register: 0 | 3 | 4, value: number, gpr: number): number;
  /** CLTS: whether CR0.TS is really to be cleared. */
  clts(): boolean;
  /** LMSW: the new CR0 for a 16-bit source; memory is the linear address of a memory operand. */
  lmsw(source: number, memory?: number): number;
  /** MOV to or from a debug register. */
  debugRegister(register: number, direction: 'to' | 'from', gpr: number): void;

  /**
   * An exception is about to be delivered: exits when the exception bitmap (and for #PF the error-code mask and match)
   * say so. Ask for the exception that arose first, then, if it becomes a double fault, for #DF (after endDelivery()).
   * INT3 and INTO are exceptions here (type softwareException), INT n is not.
   * @param linear the faulting linear address of a #PF; CR2 is left unchanged by an exit
   */
  exception(event: VectoredEvent, linear?: number): void;
  /** Delivery of this event through the IDT begins; a VM exit before endDelivery() reports it as IDT-vectoring information. */
  beginDelivery(event: VectoredEvent): void;
  endDelivery(): void;
  /** The machine would shut down: in non-root operation a VM exit, otherwise the call returns. */
  tripleFault(): void;

  /** At an instruction boundary, before external interrupts: exits when the interrupt window is awaited and open. */
  interruptWindow(): void;
  /**
   * At an instruction boundary with an external interrupt pending, whatever EFLAGS.IF is. Exits under external-interrupt
   * exiting (acknowledging through the callback if the exit controls ask for it); returns when the interrupt takes the usual way.
   */
  externalInterrupt(acknowledge: () => number): void;

  /**
   * Carries a VM exit out: stores guest state and exit information in the VMCS, loads the host state into the state block.
   * @param instructionLength of the instruction that caused it, 0 when none did
   */
  exit(exit: VmExit, instructionLength: number): void;
}
