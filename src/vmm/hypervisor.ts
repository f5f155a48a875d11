/** The level-0 hypervisor: one VM, one vCPU, a cpu technique and an mmu technique, plugged into the machine's socket. */
import type { CpuState } from '../engine/state';
import { StopCause } from '../machine/event-kinds';
import type { GuestView } from '../machine/guest-view';
import type { GuestPlace, HandlerStep, HypervisorPort } from '../machine/hypervisor-port';
import { TripleFault, UnsupportedFeature } from '../machine/processor/context';
import type { CpuTechnique } from './cpu/technique';
import { type FramesState, type HostFrames, OutOfFrames } from './frames';
import { VirtualGuestView } from './guest-view';
import { HandlerRunner } from './handler';
import type { Host } from './host';
import type { MmuTechnique } from './mmu/mmu';
import type { Vcpu, VcpuState } from './vcpu';
import type { Vm, VmState } from './vm';

export interface HypervisorState {
  readonly version: 1;
  readonly vm: VmState;
  readonly vcpu: VcpuState;
  readonly frames: FramesState;
  readonly cpu: unknown;
  readonly mmu: unknown;
}

export interface HypervisorParts {
  readonly host: Host;
  readonly vm: Vm;
  readonly vcpu: Vcpu;
  readonly frames: HostFrames;
  readonly cpu: CpuTechnique;
  readonly mmu: MmuTechnique;
}

export class Hypervisor implements HypervisorPort {
  private readonly runner = new HandlerRunner();
  private readonly view: VirtualGuestView;

  constructor(readonly parts: HypervisorParts) {
    this.view = new VirtualGuestView(parts, () => this.inVmm);
  }

  /** True while a visit is in progress (at a handler step). */
  get inVmm(): boolean {
    return this.runner.stack.length > 0;
  }

  /** Names of the active VMM handlers, outermost first. */
  get stack(): readonly string[] {
    return this.runner.stack;
  }

  *enter(): Generator<HandlerStep, void> {
    this.runner.start('visit', this.parts.cpu.visit());
    for (;;) {
      const step = this.nextStep();
      if (step === undefined) return;
      yield step;
    }
  }

  /** The next step; what a handler cannot cope with ends the guest with a sentence. */
  private nextStep(): HandlerStep | undefined {
    try {
      return this.runner.next();
    } catch (error) {
      if (error instanceof TripleFault) this.end(StopCause.tripleFault, 0);
      else if (error instanceof UnsupportedFeature) this.end(StopCause.unsupported, error.eip, error.message);
      else if (error instanceof OutOfFrames) this.end(StopCause.vmmError, 0, error.message);
      else throw error;
      return undefined;
    }
  }

  private end(cause: number, value: number, message?: string): void {
    this.parts.vm.stop = { cause, value };
    this.parts.host.stop(cause, value, message);
  }

  editState(edit: (state: CpuState) => void): void {
    this.parts.cpu.editGuestState(edit);
  }

  poke(): void {
    this.parts.cpu.poke();
  }

  guest(): GuestView {
    return this.view;
  }

  place(): GuestPlace {
    return this.view.place();
  }

  /** Only between visits: a position inside a visit is a save plus handler steps. */
  save(): HypervisorState {
    if (this.inVmm) throw new Error('The VMM can be saved only between two visits, not at a handler step.');
    const { vm, vcpu, frames, cpu, mmu } = this.parts;
    return {
      version: 1,
      vm: vm.save(),
      vcpu: vcpu.save(),
      frames: frames.save(),
      cpu: cpu.save(),
      mmu: mmu.save(),
    };
  }

  load(state: unknown): void {
    const saved = state as Partial<HypervisorState>; // checked field by field right here
    const { vm, vcpu, frames, cpu, mmu, version } = saved;
    if (version !== 1 || vm === undefined || vcpu === undefined || frames === undefined) {
      throw new Error('The hypervisor part of the save has another version or is incomplete; make the save again.');
    }
    this.runner.abandon();
    this.parts.vm.load(vm);
    this.parts.vcpu.load(vcpu);
    this.parts.frames.load(frames);
    this.parts.mmu.load(mmu);
    this.parts.cpu.load(cpu);
  }
}
