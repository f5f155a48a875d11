/**
 * Travel in time by checkpoint and replay: the machine is saved every so many instructions, and any earlier instruction
 * count is reached by loading the nearest save before it and running on from there with the same input log.
 */
import { Checkpoints } from './checkpoints';
import type { Machine, MachineStop, RunLimits } from './machine';
import type { MachineSave } from './save';

export interface TimeTravelOptions {
  /** Instructions between checkpoints, at least 1. Default 100,000. */
  readonly interval?: number;
  /** Checkpoints kept, at least 4. Default 64. */
  readonly most?: number;
}

export class TimeTravel {
  readonly checkpoints: Checkpoints<MachineSave>;

  /** Takes the first checkpoint at once: no travel goes back before it. */
  constructor(
    private readonly machine: Machine,
    options: TimeTravelOptions = {},
  ) {
    this.checkpoints = new Checkpoints(options.interval ?? 100_000, options.most ?? 64);
    this.checkpoints.add(machine.clock.instructions, machine.save());
  }

  /** The instruction count of the oldest place that can be reached. */
  get oldest(): number {
    return this.checkpoints.all[0]?.count ?? 0;
  }

  /** As `machine.run`, with checkpoints taken on the way. */
  run(limits: RunLimits = {}): MachineStop {
    const { machine, checkpoints } = this;
    const limit = limits.count ?? Number.POSITIVE_INFINITY;
    for (;;) {
      const due = checkpoints.nextDue(machine.clock.instructions);
      const stop = machine.run({ ...limits, count: Math.min(limit, due) });
      if (stop.reason !== 'count') return stop;
      // Only where a count is first reached, so that going to a count always means the same moment.
      if (machine.clock.instructions === due) checkpoints.add(due, machine.save());
      if (machine.clock.instructions >= limit) return stop;
    }
  }

  /**
   * Puts the machine at an instruction count, backwards or forwards, without stopping at breakpoints.
   * @returns how the way there ended: 'count' when it was reached
   * @throws RangeError for a count before the oldest checkpoint
   */
  goTo(count: number): MachineStop {
    const { machine } = this;
    if (machine.inHandler || count < machine.clock.instructions || machine.stopped !== undefined) {
      const checkpoint = this.checkpoints.atOrBefore(count);
      if (checkpoint === undefined) {
        throw new RangeError(`Instruction ${count} lies before ${this.oldest}, the oldest that can be gone back to.`);
      }
      machine.load(checkpoint.state, true);
    }
    for (;;) {
      // A run that sets out from a breakpoint does not stop at it again.
      const stop = machine.run({ count });
      if (stop.reason !== 'breakpoint' && stop.reason !== 'watchpoint') return stop;
    }
  }

  /** To be called after a new input: the checkpoints that lie ahead belong to a future that will not come. */
  futureChanged(): void {
    this.checkpoints.dropAfter(this.machine.clock.instructions);
  }
}
