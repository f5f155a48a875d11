/** What a technique of processor virtualization is to the hypervisor: one interface for trap and hw. */
import type { CpuState } from '../../engine/state';
import type { CpuProfile } from '../../x86/profiles';
import type { HostFrames } from '../frames';
import type { Handler } from '../handler';
import type { Host } from '../host';
import type { MmuTechnique, RealTlb } from '../mmu/mmu';
import type { Vcpu } from '../vcpu';
import type { Vm } from '../vm';

export interface CpuTechnique {
  readonly name: 'trap' | 'hw';
  /** How the mmu technique drops translations. */
  readonly tlb: RealTlb;
  /**
   * Takes the real processor over, as a VMM does when it boots; vcpu.state holds the guest's initial state. The next
   * visit() then enters the guest for the first time.
   */
  start(): void;
  /**
   * One visit of the VMM, from the real processor's arrival at its host entry (or from start) until the guest runs again
   * or vm.stop is set: reads the real state, handles the exit, delivers pending interrupts, lets time pass while the guest
   * is halted, returns to the guest.
   */
  visit(): Handler;
  /** The guest's registers as it believes them to be, at this moment; read only. While it runs, computed from the real ones. */
  guestState(): CpuState;
  /** Ring and instruction pointer of guestState(), cheaply: asked for at each event. */
  guestPlace(): { readonly cpl: number; readonly eip: number };
  /** A user's edit of virtual registers, between two visits: applies what `edit` does to the virtual state. */
  editGuestState(edit: (state: CpuState) => void): void;
  /**
   * A device of the VM was reached from outside, between two visits: when the guest may take the interrupt that came of it,
   * the next run begins with a visit.
   */
  poke(): void;
  readonly root: 'root' | 'non-root' | 'off';
  save(): unknown;
  load(state: unknown): void;
}

/** What a technique is built from. */
export interface TechniqueParts {
  readonly host: Host;
  readonly frames: HostFrames;
  readonly vm: Vm;
  readonly vcpu: Vcpu;
  readonly profile: CpuProfile;
  readonly mmu: 'shadow' | 'nested';
}

/** Builds a cpu technique together with the mmu technique that it drives: createTrap (trap.ts), createHw (hw.ts). */
export type TechniqueFactory = (parts: TechniqueParts) => { readonly cpu: CpuTechnique; readonly mmu: MmuTechnique };
