/** What a technique of processor virtualization is to the hypervisor: one interface for trap and hw. */
import type { CpuState } from '../../engine/state';
import type { ProcessorOwner } from '../../machine/guest-view';
import type { Handler } from '../handler';
import type { RealTlb } from '../mmu/mmu';

export interface CpuTechnique {
  readonly name: 'trap' | 'hw';
  /** Given to the mmu technique. */
  readonly tlb: RealTlb;
  /** Takes the real processor over, as a VMM does when it boots: vcpu.state holds the guest's initial state. The first enter() then runs the guest. */
  start(): void;
  /**
   * One visit of the VMM, from the real processor's arrival at its host entry (or from start) until the guest runs again
   * or vm.stop is set: reads the real state, handles, delivers pending interrupts, idles while the guest is halted,
   * returns to the guest.
   */
  visit(): Handler;
  /** The guest's registers as it believes them to be, at this moment; read only. While it runs, computed from the real ones. */
  guestState(): CpuState;
  /** A user's edit of virtual registers, between two visits: applies what `edit` does to the virtual state. */
  editGuestState(edit: (state: CpuState) => void): void;
  readonly root: 'root' | 'non-root' | 'off';
  /** 'vmm' while a visit is in progress. */
  owner(): ProcessorOwner;
  save(): unknown;
  load(state: unknown): void;
}
