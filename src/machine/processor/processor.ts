/**
 * The real processor: the engine for ordinary instructions, and around it everything that makes a processor of it:
 * system instructions, faults, interrupts at instruction boundaries, single-stepping, halting, and the VMX unit.
 */
import type { Watchpoint } from '../../engine/access';
import { Engine } from '../../engine/engine';
import type { HostMemory } from '../../engine/memory';
import { CpuState, OFF } from '../../engine/state';
import { Tlb } from '../../engine/tlb';
import { DB, GuestFault, PF } from '../../x86/exceptions';
import { FLAG_IF, FLAG_TF } from '../../x86/flags';
import type { DecodedInstruction } from '../../x86/iced';
import { type CpuidResult, type CpuProfile, cpuid } from '../../x86/profiles';
import type { Clock } from '../clock';
import { IrqOp } from '../event-kinds';
import type { EventStream } from '../events';
import {
  type CpuContext,
  type InterruptSource,
  type PendingEvent,
  pendingEvent,
  type RingChange,
  TripleFault,
  UnsupportedFeature,
} from './context';
import { Interruptibility } from './handlers';
import { Mmu } from './mmu';
import { readStateMsr, writeStateMsr } from './msr';
import { faultEvent, raise } from './raise';
import { executeSystem } from './system';
import { emitControl, emitDelivered, emitPort, emitRing } from './visible-events';
import { EventType, VmExit } from './vmx/interface';
import { Vmx, VmxMode } from './vmx/vmx';

/** The machine's port space. Values are unsigned, size is 1, 2 or 4 bytes. */
export interface PortSpace {
  read(port: number, size: number): number;
  write(port: number, size: number, value: number): void;
}

export interface ProcessorParts {
  readonly memory: HostMemory;
  readonly profile: CpuProfile;
  /** Entries of the architectural TLB, 16 to 4096. */
  readonly tlbEntries: number;
  readonly events: EventStream;
  /** Its `now` is the time-stamp counter; the processor sets its `inFlight`. */
  readonly clock: Clock;
  readonly ports: PortSpace;
  readonly interrupts: InterruptSource;
  /** The generated interpreter; the engine makes its own when absent. */
  readonly interpreter?: WebAssembly.Module;
}

export type ProcessorStopReason =
  /** The budget is used up. */
  | 'budget'
  /** HLT, and no interrupt that may be taken is pending. */
  | 'halted'
  | 'breakpoint'
  | 'watchpoint'
  /** Control has gone to the attached hypervisor: its IDT was reached in ring 0, or a VM exit has loaded the host state. */
  | 'hypervisor'
  | 'tripleFault'
  /** The guest needs something that is not simulated; `problem` is the sentence. */
  | 'unsupported';

export interface ProcessorStop {
  readonly reason: ProcessorStopReason;
  /** Instructions retired by this call; the caller settles them on the clock. */
  readonly retired: number;
  /** Linear address of a breakpoint, HPA of a watchpoint. */
  readonly address?: number;
  readonly problem?: string;
}

const SHADOWS = Interruptibility.sti | Interruptibility.movSs;
const HALTED = 1;
/** Deliveries in one run: handlers that fault at their first instruction retire nothing, and the run must still end. */
const MOST_DELIVERIES = 10_000;
/** DR6.BS: the debug exception is a single step. */
const DR6_SINGLE_STEP = 1 << 14;

export class Processor implements CpuContext {
  readonly state: CpuState;
  readonly profile: CpuProfile;
  readonly tlb: Tlb;
  readonly mmu: Mmu;
  readonly engine: Engine;
  readonly memory: Engine['linearMemory'];
  /** Undefined on profiles without VT-x. */
  readonly vmx: Vmx | undefined;
  /** The PICs natively, the host timer when a hypervisor owns the machine. */
  interrupts: InterruptSource;
  /** A hypervisor owns ring 0 (outside VMX operation) or root operation. */
  hypervisorAttached = false;
  /**
   * The guest sees what this processor does: true natively and in VMX non-root operation, false under deprivileging, where
   * deliveries go through the VMM's own IDT. Decides about the events ring, deliver, control, pio and irq.
   */
  guestVisible = true;

  /** Instructions of the run under way, without those of the engine's call under way. */
  private retired = 0;
  /** A delivery has brought control into the VMM. */
  private arrived = false;
  /** A delivery has happened since the current instruction began. */
  private deliveredInStep = false;
  private deliveries = 0;
  private stopRequested = false;
  private current: DecodedInstruction | undefined;

  constructor(private readonly parts: ProcessorParts) {
    this.state = parts.memory.state();
    this.profile = parts.profile;
    this.interrupts = parts.interrupts;
    this.tlb = new Tlb(parts.tlbEntries);
    this.mmu = new Mmu(this.state, parts.memory, this.tlb, parts.events);
    this.engine = new Engine(parts.memory, this.state, this.mmu, this.tlb, { interpreter: parts.interpreter });
    this.memory = this.engine.linearMemory;
    this.vmx = parts.profile.features.vmx ? this.makeVmx() : undefined;
    this.mmu.stage = this.vmx;
    parts.clock.inFlight = () => this.inFlight;
  }

  private makeVmx(): Vmx {
    return new Vmx({
      state: this.state,
      memory: this.parts.memory,
      features: this.profile.features,
      flushTlb: (tag, keepGlobal) => (tag === undefined ? this.mmu.flushAll() : this.mmu.flushTag(tag, keepGlobal)),
      flushTlbPage: (linear, tag) => this.mmu.flushPage(linear, tag),
      stateReplaced: () => this.stateReplaced(),
      deliver: (event) => {
        // A VMM that injects a page fault has set CR2 before the entry.
        const cr2 = event.vector === PF && event.type === EventType.hardwareException ? this.state.cr2 : undefined;
        const injected = { ...pendingEvent(event), cr2 };
        const delivered = raise(this, injected, true);
        // The VM entry completes the guest's INT n, so that the instruction retires here.
        if (delivered === injected && event.type >= EventType.softwareInterrupt) this.parts.clock.retire(1);
      },
      eptReference: (level, address, value) => this.mmu.nestedReference(level, address, value),
    });
  }

  /** Instructions retired since the current run() began; 0 outside run(). */
  get inFlight(): number {
    return this.retired + this.engine.inFlight;
  }

  /**
   * Runs until the budget is used up or something needs the machine. Interrupts are taken at the boundary before an
   * instruction, so a run that ends at a count always ends before the interrupts of that count.
   * @param budget most instructions to retire, at least 0
   * @param oneTurn stops, with reason 'budget', after the first delivery too
   */
  run(budget: number, oneTurn = false): ProcessorStop {
    const { deliveries } = this;
    try {
      for (;;) {
        const stop = this.turn(oneTurn ? Math.min(budget, this.retired + 1) : budget);
        if (stop !== undefined) return stop;
        if (oneTurn && (this.deliveries !== deliveries || this.retired >= 1)) return this.stop('budget');
        if (this.deliveries - deliveries > MOST_DELIVERIES) return this.stop('budget');
      }
    } finally {
      this.retired = 0;
      this.arrived = false;
      this.stopRequested = false;
    }
  }

  /** Makes the run under way return before another instruction, with reason 'budget'. */
  requestStop(): void {
    this.stopRequested = true;
  }

  /** One boundary and the instructions up to the next one that needs a look. */
  private turn(budget: number): ProcessorStop | undefined {
    try {
      if (this.retired >= budget || this.stopRequested) return this.stop('budget');
      this.current = undefined;
      const { deliveries } = this;
      this.takeInterrupt();
      if (this.arrived) return this.stop('hypervisor');
      // The delivery of an interrupt is a turn of its own.
      if (this.deliveries !== deliveries) return undefined;
      if (this.state.word(OFF.activity) === HALTED) return this.stop('halted');
      return this.execute(budget - this.retired);
    } catch (error) {
      return this.caught(error);
    }
  }

  private stop(reason: ProcessorStopReason, address?: number): ProcessorStop {
    return { reason, retired: this.retired, address };
  }

  private caught(error: unknown): ProcessorStop | undefined {
    if (error instanceof VmExit && this.vmx !== undefined) {
      this.vmx.exit(error, this.current?.length ?? 0);
      return this.hypervisorAttached ? this.stop('hypervisor') : undefined;
    }
    if (error instanceof TripleFault) return this.stop('tripleFault');
    if (error instanceof UnsupportedFeature) return { ...this.stop('unsupported'), problem: error.message };
    throw error;
  }

  /** Takes an external interrupt if one is pending and nothing holds it off; in non-root operation the VMM is asked first. */
  private takeInterrupt(): void {
    const { state, vmx } = this;
    if (vmx?.inNonRoot === true) vmx.interruptWindow();
    if (!this.interrupts.pending()) return;
    vmx?.externalInterrupt(() => this.interrupts.acknowledge());
    if ((state.word(OFF.flagsSystem) & FLAG_IF) === 0) return;
    if ((state.word(OFF.interruptibility) & SHADOWS) !== 0) return;
    const vector = this.interrupts.acknowledge();
    if (this.guestVisible) this.parts.events.emit('irq', IrqOp.acknowledge, vector);
    raise(this, { vector, kind: 'interrupt' });
  }

  private execute(budget: number): ProcessorStop | undefined {
    const { state } = this;
    const singleStep = (state.word(OFF.flagsSystem) & FLAG_TF) !== 0;
    const shadow = state.word(OFF.interruptibility) & SHADOWS;
    const result = this.engine.run(singleStep || shadow !== 0 ? 1 : budget);
    this.retired += result.retired;
    if (result.retired > 0 && shadow !== 0) {
      state.setWord(OFF.interruptibility, state.word(OFF.interruptibility) & ~SHADOWS);
    }
    this.deliveredInStep = false;
    let completed = result.retired > 0;
    if (result.reason === 'system' && result.instruction !== undefined) {
      this.current = result.instruction;
      const retired = this.executeSystem(result.instruction);
      this.retired += retired;
      completed = retired > 0;
    } else if (result.reason === 'fault') {
      if (!(result.fault instanceof GuestFault)) throw result.fault;
      completed = false;
      raise(this, faultEvent(result.fault));
    }
    if (singleStep && completed) this.singleStepTrap();
    if (this.arrived) return this.stop('hypervisor');
    if (result.reason === 'breakpoint' || result.reason === 'watchpoint')
      return this.stop(result.reason, result.address);
    // System instructions and deliveries touch memory too.
    const hit = this.parts.memory.takeWatchHit();
    return hit === undefined ? undefined : this.stop('watchpoint', hit.hpa);
  }

  private executeSystem(instruction: DecodedInstruction): number {
    try {
      return executeSystem(this, instruction);
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      raise(this, faultEvent(error));
      return 0;
    }
  }

  /** #DB after an instruction that began with TF set; an INT n has cleared TF, and MOV SS holds the trap off. */
  private singleStepTrap(): void {
    if (this.deliveredInStep) return;
    if ((this.state.word(OFF.interruptibility) & Interruptibility.movSs) !== 0) return;
    this.current = undefined;
    raise(this, { vector: DB, kind: 'exception', debugStatus: DR6_SINGLE_STEP });
  }

  /** The state block was replaced from outside the engine. */
  private stateReplaced(): void {
    this.engine.modeChanged();
    this.engine.addressSpaceChanged();
  }

  // CpuContext.

  portIn(port: number, size: number): number {
    const value = this.parts.ports.read(port, size);
    if (this.guestVisible) emitPort(this.parts.events, 'in', port, size, value);
    return value;
  }

  portOut(port: number, size: number, value: number): void {
    if (this.guestVisible) emitPort(this.parts.events, 'out', port, size, value);
    this.parts.ports.write(port, size, value);
  }

  controlRegisterWritten(register: 0 | 3 | 4, old: number): void {
    this.mmu.controlRegisterWritten(register, old);
    if (register !== 3) this.stateReplaced();
    if (!this.guestVisible) return;
    const { cr0, cr3, cr4 } = this.state;
    const real = register === 0 ? cr0 : register === 3 ? cr3 : cr4;
    const value = register !== 3 && this.vmx?.inNonRoot === true ? this.vmx.readControl(register) : real;
    emitControl(this.parts.events, register, value, old);
  }

  invalidatePage(linear: number): void {
    this.mmu.flushPage(linear);
  }

  modeChanged(): void {
    this.engine.modeChanged();
  }

  delivered(event: PendingEvent, change: RingChange): void {
    this.deliveredInStep = true;
    this.deliveries++;
    const inGuest = this.state.word(OFF.vmxMode) === VmxMode.nonRoot;
    if (this.hypervisorAttached && !inGuest && change.to === 0) this.arrived = true;
    if (this.guestVisible) emitDelivered(this.parts.events, event, change);
  }

  ringChanged(change: RingChange): void {
    if (this.guestVisible) emitRing(this.parts.events, change);
  }

  timeStampCounter(): number {
    return this.parts.clock.now;
  }

  halt(): void {
    this.state.setWord(OFF.activity, HALTED);
  }

  cpuid(leaf: number, subleaf: number): CpuidResult {
    return cpuid(this.profile, leaf, subleaf);
  }

  readMsr(index: number): bigint | undefined {
    return this.vmx?.capability(index) ?? readStateMsr(this.state, this.profile, this.timeStampCounter(), index);
  }

  writeMsr(index: number, value: bigint): boolean {
    return writeStateMsr(this.state, this.profile, index, value);
  }

  // The debugger's side.

  setBreakpoints(linears: ReadonlySet<number>): void {
    this.engine.setBreakpoints(linears);
  }

  skipBreakpointOnce(): void {
    this.engine.skipBreakpointOnce();
  }

  setWatchpoints(watchpoints: readonly Watchpoint[]): void {
    this.engine.setWatchpoints(watchpoints);
  }

  /**
   * The state block as it counts, with the flags in their plainest form, so that equal
   * processors have equal bytes however their runs were sliced. The TLB is saved by itself.
   */
  save(): Uint8Array {
    const copy = CpuState.detached();
    copy.copyFrom(this.state);
    copy.arithmeticFlags = this.state.arithmeticFlags;
    return copy.u8;
  }

  /** Takes a saved block; memory and TLB must have been loaded before. */
  load(block: Uint8Array): void {
    this.state.u8.set(block);
    this.vmx?.reload();
    this.stateReplaced();
  }
}
