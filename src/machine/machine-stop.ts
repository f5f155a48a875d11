/** What a run of the machine is told, and how it comes back. */
import type { CpuState } from '../engine/state';
import { CS } from '../x86/registers';
import type { HandlerStep } from './hypervisor-port';

export interface RunLimits {
  /** Absolute instruction count to stop at, exactly. */
  readonly count?: number;
  /** Stop at each named step of the VMM's handlers. */
  readonly stepHandler?: boolean;
  /** The run goes on where the last one ended by its count: a breakpoint at the very first instruction counts. */
  readonly resumed?: boolean;
}

export type MachineStop =
  /** The instruction count of the limits is reached. */
  | { readonly reason: 'count' }
  /** The next instruction has a breakpoint, at this linear address. */
  | { readonly reason: 'breakpoint'; readonly linear: number }
  /** The last instruction touched a watched range, at this HPA. */
  | { readonly reason: 'watchpoint'; readonly hpa: number }
  /** The guest has ended: a `StopCause` number, its value, and a sentence where there is more to say. */
  | { readonly reason: 'stopped'; readonly cause: number; readonly value: number; readonly message?: string }
  /** The VMM stands at this step of a handler. */
  | { readonly reason: 'handlerStep'; readonly step: HandlerStep }
  /** The VMM has finished a visit that was being stepped; the guest goes on next. */
  | { readonly reason: 'handlerEnd' }
  /** The guest is halted, and nothing but an input from outside can wake it. */
  | { readonly reason: 'waiting' }
  /**
   * The guest makes no progress at this linear address: it takes fault after fault, or exits again and again, and retires
   * nothing; the message is a sentence that says so. It may run on, and is then found stalled again.
   */
  | { readonly reason: 'stalled'; readonly linear: number; readonly message: string }
  /** An observer asked for a stop (see `Machine.requestStop`). */
  | { readonly reason: 'requested' };

/** Deliveries and exits in a row, in one run and without an instruction, that make a guest stalled. */
export const STALLED_TURNS = 10_000;

/** The stop of a guest that is caught where these registers stand. */
export function stalled(state: CpuState): MachineStop {
  const linear = (state.base(CS) + state.eip) >>> 0;
  const turns = `${STALLED_TURNS} faults, interrupts and VM exits in a row`;
  const message = `The guest makes no progress at 0x${linear.toString(16)}: ${turns}, and no instruction completed.`;
  return { reason: 'stalled', linear, message };
}
