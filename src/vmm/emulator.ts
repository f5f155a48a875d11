/**
 * The virtual processor: the guest's processor as the VMM emulates it, over the guest's own page tables, descriptor tables
 * and platform, with the guest's own CPL. System instructions, event delivery and semantics are those of the real
 * processor's code; only what they act on differs.
 */
import { Evaluator } from '../engine/evaluator';
import { fetchInstruction } from '../engine/fetch';
import { prepare } from '../engine/prepare';
import { IrqOp, NONE } from '../machine/event-kinds';
import type { CpuContext, PendingEvent, RingChange } from '../machine/processor/context';
import { Interruptibility } from '../machine/processor/handlers';
import { readStateMsr, writeStateMsr } from '../machine/processor/msr';
import { faultEvent, raise } from '../machine/processor/raise';
import { executeSystem } from '../machine/processor/system';
import { emitControl, emitDelivered, emitPort, emitRing } from '../machine/processor/visible-events';
import { type CpuState, OFF } from '../engine/state';
import { DB, GuestFault } from '../x86/exceptions';
import { FLAG_TF } from '../x86/flags';
import type { DecodedInstruction } from '../x86/iced';
import { type CpuidResult, type CpuProfile, cpuid } from '../x86/profiles';
import { GuestLinearMemory } from './guest-memory';
import { type Handler, step } from './handler';
import type { Host } from './host';
import type { MmuTechnique } from './mmu/mmu';
import type { Vcpu } from './vcpu';
import type { Vm } from './vm';

export interface VirtualProcessorParts {
  readonly host: Host;
  readonly vm: Vm;
  readonly vcpu: Vcpu;
  readonly profile: CpuProfile;
  /** Told of control register writes and INVLPG. */
  readonly mmu: Pick<MmuTechnique, 'guestRootChanged' | 'invalidatePage'>;
}

/** Interruptibility bits that last for one instruction: STI and MOV SS. */
const ONE_INSTRUCTION_SHADOW = 3;
const HALTED = 1;
/** DR6.BS: the debug exception is a single step. */
const DR6_SINGLE_STEP = 1 << 14;
export const SINGLE_STEP: PendingEvent = { vector: DB, kind: 'exception', debugStatus: DR6_SINGLE_STEP };

export class VirtualProcessor implements CpuContext {
  readonly state: CpuState;
  readonly profile: CpuProfile;
  readonly memory: GuestLinearMemory;
  private readonly evaluator: Evaluator;
  private deliveredInStep = false;

  constructor(private readonly parts: VirtualProcessorParts) {
    this.state = parts.vcpu.state;
    this.profile = parts.profile;
    this.memory = new GuestLinearMemory(parts.host.memory, parts.vm, parts.vcpu);
    this.evaluator = new Evaluator(this.state, this.memory);
  }

  /** The instruction at the guest's CS:EIP. @throws GuestFault when it cannot be fetched */
  decode(): DecodedInstruction {
    return fetchInstruction(this.state, this.memory);
  }

  /**
   * Executes one instruction (of a repeated one, one iteration) and counts it when it retires.
   * @throws GuestFault with the state as before, TripleFault, UnsupportedFeature
   */
  execute(instruction: DecodedInstruction): void {
    const singleStep = (this.state.word(OFF.flagsSystem) & FLAG_TF) !== 0;
    this.deliveredInStep = false;
    const prepared = prepare(instruction);
    let retired = 1;
    if (prepared === undefined) retired = executeSystem(this, instruction);
    else {
      this.evaluator.execute(prepared);
      // The shadow of a previous STI or MOV SS ends with this instruction; system instructions see to it themselves.
      this.state.setWord(OFF.interruptibility, this.state.word(OFF.interruptibility) & ~ONE_INSTRUCTION_SHADOW);
    }
    this.parts.host.retireEmulated(retired);
    if (singleStep && retired > 0) this.singleStepTrap();
  }

  /** #DB after an instruction that began with TF set; an INT n has cleared TF, and MOV SS holds the trap off. */
  private singleStepTrap(): void {
    if (this.deliveredInStep || (this.state.word(OFF.interruptibility) & Interruptibility.movSs) !== 0) return;
    this.raise(SINGLE_STEP);
  }

  /** Delivers an event through the guest's IDT. @throws TripleFault */
  raise(event: PendingEvent): PendingEvent {
    return raise(this, event);
  }

  /** Delivers a fault of the guest's own through its IDT. @throws TripleFault */
  injectFault(fault: GuestFault): PendingEvent {
    return raise(this, faultEvent(fault));
  }

  /** Delivers the highest pending interrupt of the VM's platform. Only when one is pending and the guest may take it. */
  injectInterrupt(): PendingEvent {
    const vector = this.parts.vm.platform.interrupts.acknowledge();
    this.parts.host.events.emit('irq', IrqOp.inject, vector);
    return raise(this, { vector, kind: 'interrupt' });
  }

  portIn(port: number, size: number): number {
    const { platform } = this.parts.vm;
    platform.advance(this.timeStampCounter());
    const value = platform.read(port, size);
    emitPort(this.parts.host.events, 'in', port, size, value);
    return value;
  }

  portOut(port: number, size: number, value: number): void {
    const { platform } = this.parts.vm;
    platform.advance(this.timeStampCounter());
    emitPort(this.parts.host.events, 'out', port, size, value);
    platform.write(port, size, value);
  }

  controlRegisterWritten(register: 0 | 3 | 4, old: number): void {
    const value = register === 0 ? this.state.cr0 : register === 3 ? this.state.cr3 : this.state.cr4;
    emitControl(this.parts.host.events, register, value, old);
    if (register === 3 || value !== old) this.parts.mmu.guestRootChanged();
  }

  invalidatePage(linear: number): void {
    this.parts.mmu.invalidatePage(linear);
  }

  /** Nothing is cached from the virtual mode: the technique derives the real one when it returns to the guest. */
  modeChanged(): void {}

  delivered(event: PendingEvent, change: RingChange): void {
    this.deliveredInStep = true;
    emitDelivered(this.parts.host.events, event, change);
  }

  ringChanged(change: RingChange): void {
    emitRing(this.parts.host.events, change);
  }

  timeStampCounter(): number {
    return this.parts.host.clock.now;
  }

  halt(): void {
    this.state.setWord(OFF.activity, HALTED);
  }

  cpuid(leaf: number, subleaf: number): CpuidResult {
    return cpuid(this.profile, leaf, subleaf);
  }

  readMsr(index: number): bigint | undefined {
    return readStateMsr(this.state, this.profile, this.timeStampCounter(), index);
  }

  writeMsr(index: number, value: bigint): boolean {
    return writeStateMsr(this.state, this.profile, index, value);
  }
}

/** Emulates the instruction at the guest's CS:EIP; what it raises is the guest's own fault and is injected. */
export function* emulate(processor: VirtualProcessor): Handler {
  const { state } = processor;
  yield step('decode the guest instruction', { eip: state.eip, cpl: state.cpl });
  try {
    const instruction = processor.decode();
    yield step('execute it on the virtual processor', { eip: state.eip, code: instruction.code });
    processor.execute(instruction);
  } catch (fault) {
    if (!(fault instanceof GuestFault)) throw fault;
    yield* inject(processor, fault);
  }
}

/** Delivers a true fault: through the guest's IDT, on the guest's stack, as its hardware would. */
export function* inject(processor: VirtualProcessor, fault: GuestFault): Handler {
  yield step('true fault: deliver it through the guest IDT', {
    vector: fault.vector,
    errorCode: fault.errorCode ?? 0,
    linear: fault.linear ?? NONE,
  });
  processor.injectFault(fault);
}
