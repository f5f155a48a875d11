/** The socket on the machine into which a hypervisor plugs: what the machine asks of a VMM, and nothing else of it. */
import type { CpuState } from '../engine/state';
import type { GuestView } from './guest-view';

/** One named step of a VMM handler, as the debugger shows it. */
export interface HandlerStep {
  readonly handler: string;
  readonly step: string;
  readonly values: Readonly<Record<string, number | string>>;
}

/** Where the guest stands, for the head of each event. */
export interface GuestPlace {
  readonly vm: number;
  readonly vcpu: number;
  /** The guest's own view of its ring. */
  readonly cpl: number;
  /** Offset in CS. */
  readonly ip: number;
}

export interface HypervisorPort {
  /**
   * Runs the VMM from its current entry until a guest may run again or the VM has stopped. A generator: each yield is a
   * named step, and the machine may stop between two of them.
   */
  enter(): Generator<HandlerStep, void>;
  guest(): GuestView;
  /** Cheap form of guest() for events; without it the machine asks guest().state. */
  place?(): GuestPlace;
  /** Applies a user's edit to the virtual registers, between two visits; without it registers cannot be edited. */
  editState?(edit: (state: CpuState) => void): void;
  /**
   * Something reached a virtual device from outside, between two visits: the VMM arms the host timer so that it is entered
   * when the guest can take an interrupt.
   */
  poke?(): void;
  /** Plain data (numbers, strings, arrays, records, typed arrays). */
  save(): unknown;
  load(state: unknown): void;
}
