/**
 * The VMM's VM-exit handlers under VT-x, one per exit reason: each a short generator of named steps that acts on the
 * virtual processor's registers, which are written back before the next VM entry.
 */
import { HandlerKind, StopCause } from '../../../machine/event-kinds';
import type { PendingEvent } from '../../../machine/processor/context';
import { combine, faultEvent, raise } from '../../../machine/processor/raise';
import { OFF } from '../../../engine/state';
import type { GuestFault } from '../../../x86/exceptions';
import { RAX, RBX, RCX, RDX } from '../../../x86/registers';
import { ExitReason, exitReasonName } from '../../../x86/vmx/exit-reasons';
import { CrAccessType, describeQualification, unpackCrAccess, unpackIoAccess } from '../../../x86/vmx/qualification';
import { emulate, type VirtualProcessor } from '../../emulator';
import { call, type Handler, step } from '../../handler';
import type { Host } from '../../host';
import type { PageFaultVerdict } from '../../mmu/mmu';
import type { NestedMmu } from '../../mmu/nested';
import type { ShadowMmu } from '../../mmu/shadow';
import type { ExitInformation } from './exit-information';

/** What a handler acts on. */
export interface ExitContext {
  readonly exit: ExitInformation;
  readonly processor: VirtualProcessor;
  readonly mmu: ShadowMmu | NestedMmu;
  readonly host: Host;
  /** The event that the next VM entry injects; at first the one whose delivery the exit cut short. */
  pending: PendingEvent | undefined;
  /** Switches interrupt-window exiting. */
  awaitWindow(on: boolean): void;
  /** Ends the guest. */
  stop(cause: number, value: number): void;
}

export interface ExitHandler {
  /** A HandlerKind number. */
  readonly kind: number;
  readonly run: (context: ExitContext) => Handler;
}

/** The instruction is done: the guest goes on behind it. */
function complete({ processor, exit, host }: ExitContext): void {
  const { state } = processor;
  state.eip = (state.eip + exit.instructionLength) >>> 0;
  // A shadow of STI or MOV SS covered this instruction and ends with it.
  state.setWord(OFF.interruptibility, state.word(OFF.interruptibility) & ~3);
  host.retireEmulated(1);
}

/** Emulates what could not run on the hardware: the event whose delivery was cut short, or the instruction at EIP. */
function* emulateHere(context: ExitContext): Handler {
  const { pending, processor, host } = context;
  if (pending === undefined) {
    yield* call('emulate', emulate(processor));
    return;
  }
  yield step('deliver the event on the virtual processor', { vector: pending.vector });
  const delivered = raise(processor, pending, true);
  // INT n and its kin retire with their delivery.
  if (delivered === pending && pending.length !== undefined) host.retireEmulated(1);
  context.pending = undefined;
}

/** The guest's own fault, combined with the event whose delivery met it. */
function* trueFault(context: ExitContext, fault: GuestFault): Handler {
  const event = faultEvent(fault);
  const combined = context.pending === undefined ? event : combine(context.pending, event);
  if (combined === 'shutdown') {
    yield step('a fault while a double fault is delivered: shutdown', { vector: fault.vector });
    context.stop(StopCause.tripleFault, 0);
    return;
  }
  yield step('true fault: inject it at the next VM entry', {
    vector: combined.vector,
    errorCode: combined.errorCode ?? 0,
    cr2: combined.cr2 ?? 0,
  });
  if (combined.cr2 !== undefined) context.processor.state.cr2 = combined.cr2;
  context.pending = combined;
}

function* follow(context: ExitContext, verdict: PageFaultVerdict): Handler {
  if (verdict.kind === 'true') yield* trueFault(context, verdict.fault);
  else if (verdict.kind === 'trace') yield* emulateHere(context);
}

function* exception(context: ExitContext): Handler {
  const { exit, mmu } = context;
  const linear = exit.linear ?? 0;
  yield step('read the interruption information', {
    vector: exit.interruption?.vector ?? 0,
    errorCode: exit.errorCode,
    linear,
  });
  const verdict = yield* call('page fault', mmu.handlePageFault(linear, exit.errorCode));
  yield* follow(context, verdict);
}

function* eptViolation(context: ExitContext): Handler {
  const { exit, mmu } = context;
  const gpa = exit.gpa ?? 0;
  yield step('read the qualification: which guest-physical access', {
    gpa,
    access: describeQualification(exit.reason, exit.qualification),
  });
  if (mmu.name !== 'nested') throw new Error('An EPT violation without nested paging.');
  const verdict = yield* call('EPT violation', mmu.handleViolation(gpa, exit.qualification, exit.linear));
  if (verdict === 'outside') yield* emulateHere(context);
}

/** The host timer. What is due in the guest is found out on the way back to it, as on every visit. */
function* externalInterrupt({ exit }: ExitContext): Handler {
  yield step('external interrupt: the host timer', { vector: exit.interruption?.vector ?? 0 });
}

function* interruptWindow(context: ExitContext): Handler {
  yield step('the guest can take interrupts again', { eip: context.processor.state.eip });
  context.awaitWindow(false);
}

function* cpuid(context: ExitContext): Handler {
  const { processor } = context;
  const { state } = processor;
  const [leaf, subleaf] = [state.gpr(RAX), state.gpr(RCX)];
  const answer = processor.cpuid(leaf, subleaf);
  yield step('answer from the virtual CPU profile', { leaf, subleaf, ...answer });
  state.setGpr(RAX, answer.eax);
  state.setGpr(RBX, answer.ebx);
  state.setGpr(RCX, answer.ecx);
  state.setGpr(RDX, answer.edx);
  complete(context);
}

function* hlt(context: ExitContext): Handler {
  yield step('halt the virtual processor', { eip: context.processor.state.eip });
  complete(context);
  context.processor.halt();
}

function* invlpg(context: ExitContext): Handler {
  const linear = context.exit.linear ?? 0;
  yield step('drop the translation', { linear });
  context.processor.invalidatePage(linear);
  complete(context);
}

function* controlRegister(context: ExitContext): Handler {
  const { exit, processor } = context;
  const { state } = processor;
  const access = unpackCrAccess(exit.qualification);
  yield step('read the qualification: which control register', {
    instruction: describeQualification(exit.reason, exit.qualification),
  });
  if (access.register === 3 && access.type === CrAccessType.moveTo) {
    const old = state.cr3;
    state.cr3 = state.gpr(access.gpr);
    yield step('load the virtual CR3', { old, value: state.cr3 });
    processor.controlRegisterWritten(3, old);
    complete(context);
  } else if (access.register === 3 && access.type === CrAccessType.moveFrom) {
    yield step('store the virtual CR3', { value: state.cr3 });
    state.setGpr(access.gpr, state.cr3);
    complete(context);
  } else {
    // CR0 and CR4 have rules of their own, which the virtual processor knows.
    yield* emulateHere(context);
  }
}

function* debugRegister(context: ExitContext): Handler {
  const { exit } = context;
  yield step('read the qualification: which debug register', {
    instruction: describeQualification(exit.reason, exit.qualification),
  });
  yield* emulateHere(context);
}

/** Bits of EAX that an IN of a size writes. */
const LOW_BITS: Readonly<Record<number, number>> = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff };

function* port(context: ExitContext): Handler {
  const { exit, processor } = context;
  const { state } = processor;
  const io = unpackIoAccess(exit.qualification);
  yield step('read the qualification: which port', { access: describeQualification(exit.reason, exit.qualification) });
  if (io.string) {
    yield* emulateHere(context);
    return;
  }
  const mask = LOW_BITS[io.size] ?? 0xff;
  if (io.direction === 'out') {
    const value = (state.gpr(RAX) & mask) >>> 0;
    yield step('write to the virtual device', { port: io.port, value });
    processor.portOut(io.port, io.size, value);
  } else {
    const value = processor.portIn(io.port, io.size);
    yield step('read from the virtual device', { port: io.port, value });
    state.setGpr(RAX, ((state.gpr(RAX) & ~mask) | (value & mask)) >>> 0);
  }
  complete(context);
}

function* emulated(context: ExitContext): Handler {
  yield step('an instruction that always exits', { reason: exitReasonName(context.exit.reason) });
  yield* emulateHere(context);
}

function* tripleFault(context: ExitContext): Handler {
  yield step('the guest could not take its double fault', { eip: context.processor.state.eip });
  context.stop(StopCause.tripleFault, 0);
}

const EMULATED: ExitHandler = { kind: HandlerKind.emulate, run: emulated };

/** By basic exit reason. */
export const EXIT_HANDLERS: ReadonlyMap<number, ExitHandler> = new Map<number, ExitHandler>([
  [ExitReason.exceptionOrNmi, { kind: HandlerKind.pageFault, run: exception }],
  [ExitReason.externalInterrupt, { kind: HandlerKind.externalInterrupt, run: externalInterrupt }],
  [ExitReason.tripleFault, { kind: HandlerKind.tripleFault, run: tripleFault }],
  [ExitReason.interruptWindow, { kind: HandlerKind.interruptWindow, run: interruptWindow }],
  [ExitReason.cpuid, { kind: HandlerKind.cpuid, run: cpuid }],
  [ExitReason.hlt, { kind: HandlerKind.hlt, run: hlt }],
  [ExitReason.invlpg, { kind: HandlerKind.invlpg, run: invlpg }],
  [ExitReason.controlRegister, { kind: HandlerKind.controlRegister, run: controlRegister }],
  [ExitReason.movDr, { kind: HandlerKind.debugRegister, run: debugRegister }],
  [ExitReason.io, { kind: HandlerKind.port, run: port }],
  [ExitReason.eptViolation, { kind: HandlerKind.eptViolation, run: eptViolation }],
  [ExitReason.rdmsr, { kind: HandlerKind.msr, run: emulated }],
  [ExitReason.wrmsr, { kind: HandlerKind.msr, run: emulated }],
  [ExitReason.invd, EMULATED],
  [ExitReason.vmcall, EMULATED],
  [ExitReason.vmclear, EMULATED],
  [ExitReason.vmlaunch, EMULATED],
  [ExitReason.vmptrld, EMULATED],
  [ExitReason.vmptrst, EMULATED],
  [ExitReason.vmread, EMULATED],
  [ExitReason.vmresume, EMULATED],
  [ExitReason.vmwrite, EMULATED],
  [ExitReason.vmxoff, EMULATED],
  [ExitReason.vmxon, EMULATED],
  [ExitReason.invept, EMULATED],
  [ExitReason.invvpid, EMULATED],
  [ExitReason.xsetbv, EMULATED],
  [ExitReason.taskSwitch, EMULATED],
]);

/** The name of a handler as the VMM's stack shows it. */
export function handlerTitle(reason: number): string {
  return `exit:${exitReasonName(reason)}`;
}
