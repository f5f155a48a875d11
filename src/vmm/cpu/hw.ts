/**
 * Hardware virtualization with VT-x: the guest runs in VMX non-root operation in its own rings, and what the VMCS says
 * exits to the VMM. With shadow paging the VMM keeps the tables; with nested paging the processor walks guest tables and
 * EPT together (Intel SDM 3C, "Introduction to Virtual Machine Extensions").
 */
import { type CpuState, OFF, CpuState as State } from '../../engine/state';
import { IrqOp, StopCause, World } from '../../machine/event-kinds';
import { PENDING_EVENT_TYPES, type PendingEvent } from '../../machine/processor/context';
import { VMCS_REVISION } from '../../machine/processor/vmx/capabilities';
import { entryFailureText } from '../../machine/processor/vmx/entry-checks';
import { VmExit } from '../../machine/processor/vmx/interface';
import { loadHostState } from '../../machine/processor/vmx/state-areas';
import { Vmcs } from '../../machine/processor/vmx/vmcs';
import { type EntryResult, Invvpid, type Vmx, VmxMode } from '../../machine/processor/vmx/vmx';
import { DB } from '../../x86/exceptions';
import { FLAG_IF, FLAG_TF } from '../../x86/flags';
import { CR0_ET, CR0_NE, CR0_PE, CR0_PG, CR0_WP, CR4_PSE, CR4_VMXE, PAGE_SIZE } from '../../x86/paging-bits';
import { Primary } from '../../x86/vmx/controls';
import { ExitReason } from '../../x86/vmx/exit-reasons';
import { Field } from '../../x86/vmx/fields';
import { vmxErrorText } from '../../x86/vmx/instruction-errors';
import { packInterruption } from '../../x86/vmx/interruption';
import { VirtualProcessor } from '../emulator';
import { FrameOwner } from '../frames';
import { call, type Handler, step } from '../handler';
import type { RealTlb } from '../mmu/mmu';
import { NestedMmu } from '../mmu/nested';
import { ShadowMmu } from '../mmu/shadow';
import { CONTROL_MASKS, type ControlMasks } from './hw/control-registers';
import { EXIT_HANDLERS, type ExitContext, handlerTitle } from './hw/exit-handlers';
import { type ExitInformation, readExit, word } from './hw/exit-information';
import { HostSpace, type HostSpaceState } from './hw/host-space';
import { readVcpu, viewRunning, writeVcpu } from './hw/vcpu-transfer';
import { succeed, VmcsAccess } from './hw/vmcs-access';
import { setUpVmcs } from './hw/vmcs-setup';
import type { CpuTechnique, TechniqueFactory, TechniqueParts } from './technique';

export interface HwState {
  readonly host: HostSpaceState;
  readonly vmxon: number;
  readonly vmcs: number;
  readonly launched: boolean;
  readonly entryFailure: string | null;
}

/** One VM with one vCPU: VPID 0 is the VMM's own. */
const VPID = 1;
const HOST_CR0 = (CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE) >>> 0;
const HOST_CR4 = CR4_VMXE | CR4_PSE;
/** DR6.BS: a single step. */
const DR6_SINGLE_STEP = 1 << 14;

export class HwTechnique implements CpuTechnique {
  readonly name = 'hw';
  readonly tlb: RealTlb;
  readonly mmu: ShadowMmu | NestedMmu;
  private readonly vmx: Vmx;
  private readonly access: VmcsAccess;
  private readonly processor: VirtualProcessor;
  private readonly masks: ControlMasks;
  private readonly vpid: number | undefined;
  private readonly space: HostSpace;
  private vmxonRegion: number;
  private vmcsRegion: number;
  private launched = false;
  /** Why the last VM entry was refused, as a sentence. */
  private failure: string | undefined;
  /** The event that the next VM entry injects; empty between two visits. */
  private pending: PendingEvent | undefined;
  private readonly view = State.detached();

  constructor(private readonly parts: TechniqueParts) {
    const { host, frames, vm, vcpu, profile } = parts;
    const { vmx } = host.processor;
    if (vmx === undefined) {
      throw new Error(`The profile ${profile.name} has no VT-x (feature flag vmx), which "cpu": "hw" needs.`);
    }
    this.vmx = vmx;
    this.access = new VmcsAccess(vmx);
    this.masks = CONTROL_MASKS[parts.mmu];
    this.vpid = profile.features.vpid ? VPID : undefined;
    this.space = new HostSpace(host.memory, frames);
    this.vmxonRegion = this.newRegion();
    this.vmcsRegion = this.newRegion();
    this.tlb = {
      invalidatePage: (linear) => this.invalidatePage(linear),
      invalidateAll: () => this.invalidateAll(),
    };
    const mmuParts = { memory: host.memory, frames, vm, vcpu, events: host.events, tlb: this.tlb };
    this.mmu =
      parts.mmu === 'shadow'
        ? new ShadowMmu(mmuParts)
        : new NestedMmu({ ...mmuParts, registers: () => this.guestState() });
    // The guest shall not see VT-x: this VMM does not offer it further.
    const features = { ...profile.features, vmx: false, ept: false, vpid: false, unrestrictedGuest: false };
    this.processor = new VirtualProcessor({ host, vm, vcpu, profile: { ...profile, features }, mmu: this.mmu });
    vm.onGuestWrite((gpa, size) => this.mmu.guestWrote(gpa, size));
  }

  private newRegion(): number {
    const { host, frames } = this.parts;
    const hpa = frames.allocate(FrameOwner.vmm);
    host.memory.writeBytes(hpa, new Uint8Array(PAGE_SIZE));
    host.memory.write32(hpa, VMCS_REVISION);
    return hpa;
  }

  private get real(): CpuState {
    return this.parts.host.processor.state;
  }

  private get state(): CpuState {
    return this.parts.vcpu.state;
  }

  get root(): 'root' | 'non-root' | 'off' {
    return this.vmx.inNonRoot ? 'non-root' : this.vmx.mode === VmxMode.off ? 'off' : 'root';
  }

  /** The sentence of the last refused VM entry, undefined while all went well. */
  get entryFailure(): string | undefined {
    return this.failure;
  }

  // Taking over.

  start(): void {
    const { real, vmx, access, space } = this;
    real.cr0 = HOST_CR0;
    real.cr4 = HOST_CR4;
    real.cr3 = space.cr3;
    real.cpl = 0;
    succeed('VMXON', vmx.vmxon(this.vmxonRegion));
    succeed('VMCLEAR', vmx.vmclear(this.vmcsRegion));
    succeed('VMPTRLD', vmx.vmptrld(this.vmcsRegion));
    setUpVmcs(access, {
      mmu: this.parts.mmu,
      vpid: this.vpid,
      eptRoot: this.mmu.name === 'nested' ? this.mmu.root() : 0,
      host: space,
      hostCr0: HOST_CR0,
      hostCr4: HOST_CR4,
    });
    // The VMM stands where VM exits arrive, in the state that they load.
    loadHostState(new Vmcs(this.parts.host.memory, this.vmcsRegion), real);
    this.parts.host.processor.modeChanged();
    this.mmu.guestRootChanged();
    this.launched = false;
  }

  // A visit.

  *visit(): Handler {
    const began = this.parts.host.clock.instructions;
    if (this.launched) yield* this.handleExit();
    else yield step('first entry: the guest starts as its loader left it', { eip: this.state.eip });
    while (this.parts.vm.stop === undefined) {
      yield* call('prepare the VM entry', this.prepareEntry(began));
      if (this.parts.vm.stop !== undefined) return;
      const result = this.enter();
      if (result.kind === 'entered') return;
      if (result.kind === 'failed' || result.failure !== undefined) {
        yield* call('exit:entry failure', this.entryFailed(result));
        return;
      }
      // The injected event's delivery exited at once.
      yield* this.handleExit();
    }
  }

  private *handleExit(): Handler {
    const { host } = this.parts;
    readVcpu(this.access, this.real, this.state, this.masks, this.parts.mmu === 'nested');
    const exit = readExit(this.access);
    const handler = EXIT_HANDLERS.get(exit.reason);
    const vector = exit.interruption?.vector;
    host.events.emit('worldSwitch', World.guest, World.vmm);
    host.events.emit(
      'exit',
      exit.reason,
      exit.qualification,
      handler?.kind ?? 0,
      word(vector),
      word(exit.linear),
      word(exit.gpa),
    );
    if (handler === undefined) {
      throw new Error(
        `VM exit with reason ${exit.reason}, for which the VMM has no handler, at 0x${this.state.eip.toString(16)}.`,
      );
    }
    const stepping = (this.state.eflags & FLAG_TF) !== 0;
    const before = host.clock.instructions;
    const context = this.context(exit);
    yield* call(handlerTitle(exit.reason), handler.run(context));
    this.pending = context.pending;
    // A guest that single-steps gets its #DB after an emulated instruction too.
    if (stepping && this.pending === undefined && host.clock.instructions > before) this.singleStep();
  }

  private context(exit: ExitInformation): ExitContext {
    return {
      exit,
      processor: this.processor,
      mmu: this.mmu,
      host: this.parts.host,
      pending: exit.vectoring,
      awaitWindow: (on) => this.awaitWindow(on),
      stop: (cause, value) => this.stop(cause, value),
    };
  }

  private singleStep(): void {
    const at = OFF.dr + 6 * 8;
    this.state.setWord(at, this.state.word(at) | DR6_SINGLE_STEP);
    this.pending = { vector: DB, kind: 'exception' };
  }

  /**
   * What has become due in the guest: its devices' time, its interrupts, and the host timer for the next deadline.
   * @param began instruction count at the begin of the visit
   */
  private *prepareEntry(began: number): Handler {
    const { host, vm, vcpu } = this.parts;
    vm.platform.advance(host.clock.now);
    const { interrupts } = vm.platform;
    // Behind an instruction that this visit completed lies a boundary at which the machine may be asked to stop: there the
    // interrupt waits for the window.
    const atBoundary = host.clock.instructions === began;
    if (atBoundary && this.pending === undefined && interrupts.pending() && vcpu.interruptible) {
      const vector = interrupts.acknowledge();
      yield step('inject the virtual interrupt', { vector, eip: this.state.eip });
      host.events.emit('irq', IrqOp.inject, vector);
      this.pending = { vector, kind: 'interrupt' };
    }
    if (this.pending !== undefined) vcpu.wake();
    if (vcpu.halted && (this.state.eflags & FLAG_IF) === 0) {
      yield step('halted with interrupts off: nothing can wake the guest', { eip: this.state.eip });
      this.stop(StopCause.haltedForever, 0);
      return;
    }
    const waits = interrupts.pending();
    if (waits) yield step('an interrupt waits: exit when the guest can take it', { eflags: this.state.eflags });
    this.awaitWindow(waits);
    const deadline = vm.platform.nextDeadline();
    host.hostTimer.arm(deadline);
    yield step('load the guest state', { eip: this.state.eip, cpl: this.state.cpl, timer: deadline ?? 'off' });
    const cr3 = this.parts.mmu === 'nested' ? this.state.cr3 : this.mmu.root();
    writeVcpu(this.access, this.real, this.state, this.masks, cr3);
  }

  private awaitWindow(on: boolean): void {
    this.access.setBits('primaryControls', Primary.interruptWindowExiting, on);
  }

  private enter(): EntryResult {
    const { access, pending } = this;
    const { host } = this.parts;
    const field =
      pending === undefined
        ? 0
        : packInterruption(pending.vector, PENDING_EVENT_TYPES[pending.kind], pending.errorCode !== undefined);
    access.write('entryInterruption', field);
    access.write('entryErrorCode', pending?.errorCode ?? 0);
    access.write('entryInstructionLength', pending?.length ?? 0);
    host.events.emit('entry', field);
    host.events.emit('worldSwitch', World.vmm, World.guest);
    this.pending = undefined;
    const result = this.launched ? this.vmx.vmresume() : this.vmx.vmlaunch();
    if (result.kind === 'entered') {
      this.launched = true;
    }
    return result;
  }

  private *entryFailed(result: Exclude<EntryResult, { kind: 'entered' }>): Handler {
    const { failure } = result;
    const error = result.kind === 'failed' ? result.error : undefined;
    this.failure =
      failure !== undefined
        ? entryFailureText(failure)
        : `VM entry failed: ${error === undefined ? 'there is no current VMCS' : vmxErrorText(error)}.`;
    yield step('the processor refuses the VM entry', { why: this.failure });
    this.stop(StopCause.entryFailure, failure === undefined ? (error ?? 0) : Field[failure.field], this.failure);
  }

  private stop(cause: number, value: number, message?: string): void {
    this.parts.vm.stop = { cause, value };
    this.parts.host.stop(cause, value, message);
  }

  // Translations of the guest in the real TLB. Without VPID every VM entry flushes them all.

  private invalidatePage(linear: number): void {
    if (this.vmx.inNonRoot) this.parts.host.processor.mmu.flushPage(linear);
    else if (this.vpid !== undefined) succeed('INVVPID', this.vmx.invvpid(Invvpid.address, this.vpid, linear));
  }

  private invalidateAll(): void {
    if (this.vmx.inNonRoot) this.parts.host.processor.mmu.flushTag(this.vpid ?? 0, false);
    else if (this.vpid !== undefined) succeed('INVVPID', this.vmx.invvpid(Invvpid.single, this.vpid));
  }

  // Looking and editing from outside.

  guestState(): CpuState {
    if (!this.vmx.inNonRoot) return this.state;
    const { view, state } = this;
    const vmcs = new Vmcs(this.parts.host.memory, this.vmcsRegion);
    const shadows = { cr0Shadow: vmcs.get('cr0ReadShadow'), cr4Shadow: vmcs.get('cr4ReadShadow') };
    viewRunning(this.real, shadows, this.masks, view);
    if (this.parts.mmu === 'shadow') view.cr3 = state.cr3;
    return view;
  }

  guestPlace(): { readonly cpl: number; readonly eip: number } {
    return this.vmx.inNonRoot ? this.real : this.state;
  }

  /** Takes the guest out as an external interrupt would, edits, and enters it again; entry checks apply. */
  editGuestState(edit: (state: CpuState) => void): void {
    const running = this.vmx.inNonRoot;
    if (running) {
      this.vmx.exit(new VmExit(ExitReason.externalInterrupt), 0);
      readVcpu(this.access, this.real, this.state, this.masks, this.parts.mmu === 'nested');
    }
    const before = [this.state.cr0, this.state.cr3, this.state.cr4];
    edit(this.state);
    if ([this.state.cr0, this.state.cr3, this.state.cr4].some((value, i) => value !== before[i]))
      this.mmu.guestRootChanged();
    if (!running) return;
    const cr3 = this.parts.mmu === 'nested' ? this.state.cr3 : this.mmu.root();
    writeVcpu(this.access, this.real, this.state, this.masks, cr3);
    const result = this.vmx.vmresume();
    if (result.kind === 'entered') return;
    const { failure } = result;
    this.failure =
      failure === undefined ? 'VM entry failed after an edit of the registers.' : entryFailureText(failure);
    this.stop(StopCause.entryFailure, failure === undefined ? 0 : Field[failure.field], this.failure);
  }

  /** An interrupt that waits makes the host timer due at once: its exit lets the VMM look. */
  poke(): void {
    const { vm, host } = this.parts;
    if (!vm.platform.interrupts.pending()) return;
    host.hostTimer.arm(host.clock.now);
    host.hostTimer.advance(host.clock.now);
  }

  save(): HwState {
    return {
      host: this.space.save(),
      vmxon: this.vmxonRegion,
      vmcs: this.vmcsRegion,
      launched: this.launched,
      entryFailure: this.failure ?? null,
    };
  }

  /** The real processor and memory have been loaded already; `pending` is empty between two visits. */
  load(state: unknown): void {
    const saved = state as HwState; // made by save(); the hypervisor has checked the version
    this.space.load(saved.host);
    this.vmxonRegion = saved.vmxon;
    this.vmcsRegion = saved.vmcs;
    this.launched = saved.launched;
    this.failure = saved.entryFailure ?? undefined;
    this.pending = undefined;
    this.vmx.reload();
  }
}

/** Builds the hw technique with the shadow or nested tables that it drives. */
export const createHw: TechniqueFactory = (parts) => {
  const cpu = new HwTechnique(parts);
  return { cpu, mmu: cpu.mmu };
};
