/**
 * Ring deprivileging (0/1/3): the guest kernel runs in ring 1, its applications in ring 3, and the VMM alone in ring 0.
 * Whatever the guest may not do there traps through the VMM's real IDT; the VMM then emulates it on a virtual processor
 * with the guest's own privilege, or injects the fault that the guest itself has earned, and returns by IRET.
 */
import { AR_UNUSABLE, CpuState, OFF } from '../../engine/state';
import { NONE, StopCause } from '../../machine/event-kinds';
import { UnsupportedFeature } from '../../machine/processor/context';
import { executeSystem } from '../../machine/processor/system';
import type { SegmentDescriptor } from '../../x86/descriptors';
import { GuestFault, PF } from '../../x86/exceptions';
import { FLAG_FIXED, FLAG_IF } from '../../x86/flags';
import { decode } from '../../x86/iced';
import { CR0_ET, CR0_NE, CR0_PE, CR0_PG, CR0_WP, CR4_TSD } from '../../x86/paging-bits';
import { CS, LDTR, RSP, type SegmentIndex, SS, TR } from '../../x86/registers';
import { inject, VirtualProcessor } from '../emulator';
import { call, type Handler, step } from '../handler';
import type { RealTlb } from '../mmu/mmu';
import { ShadowMmu } from '../mmu/shadow';
import { shadowSegment } from './shadow-descriptor';
import { ShadowGdt, type ShadowGdtState } from './shadow-gdt';
import type { CpuTechnique, TechniqueFactory, TechniqueParts } from './technique';
import { TRAP_HANDLERS, type Trap, WITH_ERROR_CODE } from './trap-handlers';
import {
  captureGuest,
  type EnteredSegments,
  enteredSegments,
  frameOf,
  guestRing,
  realFlags,
  realRing,
  restoreGuest,
} from './trap-state';
import {
  GDT_LIMIT,
  IDT_LIMIT,
  TrapWindow,
  VMM_CODE,
  VMM_CODE_ATTRIBUTES,
  VMM_DATA,
  VMM_DATA_ATTRIBUTES,
  VMM_TSS,
  VMM_TSS_ATTRIBUTES,
  VMM_TSS_LIMIT,
  WINDOW,
} from './trap-window';

/** Exit reasons under deprivileging use VT-x's numbers: 0 exception, 1 external interrupt. */
const REASON_EXCEPTION = 0;
const REASON_EXTERNAL_INTERRUPT = 1;
const FIRST_INTERRUPT = 32;
const IRETD_OPCODE = 0xcf;
const HALTED = 1;
const ONE_INSTRUCTION_SHADOW = 3;
const MOST_WINDOW_FAULTS = 10_000;

export interface TrapState {
  readonly started: boolean;
  readonly inside: boolean;
  readonly entered: EnteredSegments;
  readonly enteredAt: number;
  readonly gdt: ShadowGdtState;
}

class TrapTechnique implements CpuTechnique {
  readonly name = 'trap';
  readonly root = 'off';
  readonly tlb: RealTlb;
  readonly window: TrapWindow;
  readonly mmu: ShadowMmu;
  readonly gdt: ShadowGdt;
  private readonly processor: VirtualProcessor;
  private readonly view = CpuState.detached();
  private readonly iretd = decode(Uint8Array.of(IRETD_OPCODE), 32, BigInt(WINDOW.resume));
  /** False until the first guest entry. */
  private started = false;
  /** True while the guest's registers live in the real processor. */
  private inside = false;
  private entered: EnteredSegments = { cs: 0, ss: 0, data: [] };
  /** Instruction count at the last guest entry; a shadow of STI or MOV SS lasts for one instruction beyond it. */
  private enteredAt = 0;

  constructor(private readonly parts: TechniqueParts) {
    const { host, frames, vm, vcpu } = parts;
    this.tlb = {
      invalidatePage: (linear) => host.processor.invalidatePage(linear),
      invalidateAll: () => this.loadRoot(),
    };
    this.window = new TrapWindow(host.memory, frames);
    this.mmu = new ShadowMmu({
      memory: host.memory,
      frames,
      vm,
      vcpu,
      events: host.events,
      tlb: this.tlb,
      windowPde: this.window.pde,
    });
    this.gdt = new ShadowGdt(this.window, vm, vcpu, this.mmu);
    this.processor = new VirtualProcessor({ host, vm, vcpu, profile: parts.profile, mmu: this.mmu });
    vm.onGuestWrite((gpa, size) => this.mmu.guestWrote(gpa, size));
    vm.onGuestWrite((gpa, size) => this.gdt.guestWrote(gpa, size));
  }

  private get real(): CpuState {
    return this.parts.host.processor.state;
  }

  /** MOV CR3 of the real processor: loads the mmu technique's root and drops its TLB. */
  private loadRoot(): void {
    const old = this.real.cr3;
    this.real.cr3 = this.mmu.root();
    this.parts.host.processor.controlRegisterWritten(3, old);
  }

  start(): void {
    const { real } = this;
    this.parts.host.processor.hypervisorAttached = true;
    this.parts.host.processor.guestVisible = false;
    real.cr0 = (CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG) >>> 0;
    // RDTSC shall trap: the guest's clock is not the machine's.
    real.cr4 = this.parts.profile.features.tsc ? CR4_TSD : 0;
    real.setWord(OFF.gdtrBase, WINDOW.gdt);
    real.setWord(OFF.gdtrLimit, GDT_LIMIT);
    real.setWord(OFF.idtrBase, WINDOW.idt);
    real.setWord(OFF.idtrLimit, IDT_LIMIT);
    real.setSegment(TR, VMM_TSS, VMM_TSS_ATTRIBUTES, WINDOW.tss, VMM_TSS_LIMIT);
    real.setSegment(LDTR, 0, AR_UNUSABLE, 0, 0);
    this.toRing0();
    this.mmu.guestRootChanged();
    this.started = false;
    this.inside = false;
  }

  /** Puts the real processor where an interrupt would: ring 0, on the VMM's stack, interrupts off. */
  private toRing0(): void {
    const { real } = this;
    real.setSegment(CS, VMM_CODE, VMM_CODE_ATTRIBUTES, 0, 0xffffffff);
    real.setSegment(SS, VMM_DATA, VMM_DATA_ATTRIBUTES, 0, 0xffffffff);
    real.eflags = FLAG_FIXED;
    real.cpl = 0;
    real.eip = WINDOW.resume;
    real.setGpr(RSP, WINDOW.stackTop);
    this.parts.host.processor.modeChanged();
  }

  *visit(): Handler {
    if (!this.started) {
      this.started = true;
      yield step('first entry: the guest starts deprivileged, as its loader left it', {
        eip: this.parts.vcpu.state.eip,
      });
    } else {
      yield* call('handle', this.handle());
    }
    yield* call('return to the guest', this.leave());
  }

  private *handle(): Handler {
    const { host, vcpu } = this.parts;
    const fromGuest = this.inside;
    const trap = this.arrive();
    if (!fromGuest) {
      yield step('the halted VMM was woken', { vector: trap.vector });
      return;
    }
    const handler = TRAP_HANDLERS.get(trap.vector);
    if (handler === undefined) {
      throw new UnsupportedFeature(`a VMM handler for vector ${trap.vector}`, vcpu.state.eip);
    }
    const external = trap.vector >= FIRST_INTERRUPT;
    host.events.emit(
      'exit',
      external ? REASON_EXTERNAL_INTERRUPT : REASON_EXCEPTION,
      trap.errorCode ?? 0,
      handler.kind,
      trap.vector,
      trap.vector === PF ? trap.linear : NONE,
      NONE,
    );
    yield step('the guest has trapped into ring 0', {
      vector: trap.vector,
      errorCode: trap.errorCode ?? 0,
      eip: vcpu.state.eip,
      virtualCpl: vcpu.state.cpl,
    });
    yield* handler.run({ processor: this.processor, mmu: this.mmu }, trap);
  }

  /** Reads what the processor pushed, and brings the virtual state up to date. */
  private arrive(): Trap {
    const { real } = this;
    const vector = TrapWindow.vectorOf(real.eip);
    if (vector === undefined) {
      throw new Error(`The VMM was entered at 0x${real.eip.toString(16)}, which is no stub of its IDT.`);
    }
    const withCode = WITH_ERROR_CODE.includes(vector);
    const esp = real.gpr(RSP);
    const errorCode = withCode ? this.window.readErrorCode(esp) : undefined;
    if (this.inside) this.capture(this.parts.vcpu.state, this.window.readFrame(withCode ? esp + 4 : esp));
    this.inside = false;
    return { vector, errorCode, linear: real.cr2 };
  }

  private capture(into: CpuState, frame: Parameters<typeof captureGuest>[2]): void {
    captureGuest(into, this.real, frame, this.entered, this.gdt);
    if (this.parts.host.clock.instructions !== this.enteredAt) {
      into.setWord(OFF.interruptibility, into.word(OFF.interruptibility) & ~ONE_INSTRUCTION_SHADOW);
    }
  }

  private *leave(): Handler {
    const { host, vm, vcpu } = this.parts;
    vm.platform.advance(host.clock.now);
    for (let faults = 0; ; faults++) {
      if (vm.stop !== undefined) return;
      if (vm.platform.interrupts.pending() && vcpu.interruptible) {
        yield step('the guest takes its interrupt', { eip: vcpu.state.eip });
        vcpu.wake();
        this.processor.injectInterrupt();
      }
      if (!(yield* this.fetchFault(faults))) break;
    }
    const deadline = this.armTimer(vcpu.state);
    if (vcpu.halted) {
      if (!vcpu.interruptsOn) {
        yield step('the guest is halted with interrupts off: nothing can wake it');
        host.stop(StopCause.haltedForever, 0);
        return;
      }
      yield step('the guest is halted: halt the real processor too', { timer: deadline ?? 'off' });
      this.haltReal();
      return;
    }
    yield step('deprivilege and return by IRET', {
      eip: vcpu.state.eip,
      virtualCpl: vcpu.state.cpl,
      timer: deadline ?? 'off',
    });
    this.resume();
    host.events.emit('entry', 0);
  }

  /**
   * The guest's next instruction may lie where the VMM's window is, out of reach of the cut code segment. Where the guest
   * maps nothing there, the fetch faults as it would on its own machine. False when the guest can be entered.
   */
  private *fetchFault(faults: number): Handler<boolean> {
    const { state, halted } = this.parts.vcpu;
    const cut = shadowSegment(hiddenSegment(state, CS));
    if (halted || cut === undefined || state.eip <= cut.limit) return false;
    try {
      this.processor.decode();
    } catch (fault) {
      if (!(fault instanceof GuestFault)) throw fault;
      // A handler in the window faults at its first instruction again, and so on down the guest's stack.
      if (faults < MOST_WINDOW_FAULTS) {
        yield* call('inject', inject(this.processor, fault));
        return true;
      }
    }
    throw new UnsupportedFeature('code in the top 4 MiB, where the VMM lives under ring deprivileging', state.eip);
  }

  /**
   * Arms the host timer for what the VM's devices do next; when an interrupt waits for the guest, for the first boundary at
   * which it can be taken. Returns the machine time that it is armed for.
   */
  private armTimer(guest: CpuState): number | undefined {
    const { host, vm } = this.parts;
    const { hostTimer, clock } = host;
    const waiting = vm.platform.interrupts.pending() && (guest.word(OFF.flagsSystem) & FLAG_IF) !== 0;
    // Behind STI or MOV SS one more instruction comes first.
    const inShadow = (guest.word(OFF.interruptibility) & ONE_INSTRUCTION_SHADOW) !== 0;
    const deadline = waiting ? clock.now + (inShadow ? 1 : 0) : vm.platform.nextDeadline();
    hostTimer.arm(deadline);
    if (waiting && !inShadow) hostTimer.advance(clock.now);
    return deadline;
  }

  poke(): void {
    this.armTimer(this.guestState());
  }

  /** STI and HLT of the VMM: the machine lets time pass until the host timer, whose interrupt begins the next visit. */
  private haltReal(): void {
    const { real } = this;
    this.toRing0();
    real.eip = WINDOW.idle;
    real.eflags = FLAG_FIXED | FLAG_IF;
    real.setWord(OFF.activity, HALTED);
    this.parts.host.processor.modeChanged();
  }

  /** Loads the real registers for the guest, with the privilege taken out, and executes the VMM's IRETD. */
  private resume(): void {
    const { host, vcpu } = this.parts;
    const { real } = this;
    const { state } = vcpu;
    if (state.cpl !== 0 && state.cpl !== 3) {
      throw new UnsupportedFeature(
        `guest ring ${state.cpl} under ring deprivileging (0/1/3 keeps rings 0 and 3 apart)`,
        state.eip,
      );
    }
    this.gdt.prepare(state.cpl);
    const rpl = realRing(state.cpl);
    const cs = this.gdt.loadable('cs', state.selector(CS), hiddenSegment(state, CS), rpl);
    const ss = this.gdt.loadable('ss', state.selector(SS), hiddenSegment(state, SS), rpl);
    if (cs === undefined || ss === undefined) {
      throw new UnsupportedFeature(
        'a code segment that begins in the top 4 MiB, where the VMM lives under ring deprivileging',
        state.eip,
      );
    }
    restoreGuest(state, real);
    real.setGpr(RSP, this.window.writeFrame({ eip: state.eip, cs, eflags: realFlags(state), esp: state.gpr(RSP), ss }));
    real.eip = WINDOW.resume;
    executeSystem(host.processor, this.iretd);
    this.entered = enteredSegments(real);
    this.enteredAt = host.clock.instructions;
    this.inside = true;
  }

  guestState(): CpuState {
    if (!this.inside) return this.parts.vcpu.state;
    this.view.copyFrom(this.parts.vcpu.state);
    this.capture(this.view, frameOf(this.real));
    return this.view;
  }

  guestPlace(): { cpl: number; eip: number } {
    const { real } = this;
    if (!this.inside) return this.parts.vcpu.state;
    return { cpl: guestRing(real.cpl), eip: real.eip };
  }

  editGuestState(edit: (state: CpuState) => void): void {
    const { state } = this.parts.vcpu;
    const wasInside = this.inside;
    if (wasInside) this.capture(state, frameOf(this.real));
    const before = [state.cr0, state.cr3, state.cr4];
    edit(state);
    if (wasInside) {
      this.inside = false;
      this.toRing0();
    }
    if ([state.cr0, state.cr3, state.cr4].some((value, i) => value !== before[i])) this.mmu.guestRootChanged();
    if (wasInside) this.resume();
  }

  save(): TrapState {
    const { started, inside, entered, enteredAt } = this;
    return { started, inside, entered: structuredClone(entered), enteredAt, gdt: this.gdt.save() };
  }

  load(state: unknown): void {
    const saved = state as TrapState; // made by save(); the hypervisor has checked the version
    this.started = saved.started;
    this.inside = saved.inside;
    this.entered = structuredClone(saved.entered);
    this.enteredAt = saved.enteredAt;
    this.gdt.load(saved.gdt);
  }
}

function hiddenSegment(state: CpuState, segment: SegmentIndex): SegmentDescriptor {
  return { attributes: state.attributes(segment), base: state.base(segment), limit: state.limit(segment) };
}

/** Builds the trap technique with the shadow tables that it needs. */
export const createTrap: TechniqueFactory = (parts) => {
  const cpu = new TrapTechnique(parts);
  return { cpu, mmu: cpu.mmu };
};
