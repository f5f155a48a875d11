/**
 * The one-shot timer of the bare machine that a hypervisor owns: when machine time reaches the deadline it raises one
 * external interrupt, which reaches the processor in place of the PICs' output. No guest sees it, so it emits nothing;
 * what it causes is an exit.
 */
import type { InterruptSource } from './processor/context';

/** Vector of the timer's interrupt. */
export const HOST_TIMER_VECTOR = 0xf0;

export interface HostTimerState {
  readonly deadline: number | null;
  readonly raised: boolean;
}

export class HostTimer implements InterruptSource {
  private at: number | undefined;
  private raised = false;

  /** Arms the timer for a machine time (clock.now units), or disarms it; either way an interrupt still waiting is dropped. */
  arm(deadline: number | undefined): void {
    this.at = deadline;
    this.raised = false;
  }

  get deadline(): number | undefined {
    return this.at;
  }

  advance(now: number): void {
    if (this.at === undefined || now < this.at) return;
    this.at = undefined;
    this.raised = true;
  }

  pending(): boolean {
    return this.raised;
  }

  acknowledge(): number {
    this.raised = false;
    return HOST_TIMER_VECTOR;
  }

  save(): HostTimerState {
    return { deadline: this.at ?? null, raised: this.raised };
  }

  load(state: HostTimerState): void {
    this.at = state.deadline ?? undefined;
    this.raised = state.raised;
  }
}
