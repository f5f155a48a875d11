/**
 * Going back in time: the nearest checkpoint before the wanted position, and a replay with the input log from there. No
 * component has undo code.
 */
import { Checkpoints } from '../machine/checkpoints';
import type { Machine } from '../machine/machine';
import type { MachineSave } from '../machine/save';
import type { RunControl } from './run-control';
import type { Stop } from './stop';

/** Instructions between checkpoints: about what can be replayed within the blink of an eye. */
const INTERVAL = 1_000_000;

export interface TimeTravelParts {
  readonly machine: Machine;
  readonly control: RunControl;
  /** A text that differs between two moments of the same instruction count (before and after a delivery). */
  readonly momentKey: () => string;
  /** Runs an action without letting it count hits of breakpoints. */
  readonly withoutCounting: <T>(action: () => Promise<T>) => Promise<T>;
}

export class TimeTravel {
  private readonly checkpoints = new Checkpoints<MachineSave>(INTERVAL);

  constructor(private readonly parts: TimeTravelParts) {
    this.keepCheckpoint();
  }

  /** Makes a checkpoint when one is due; called between slices. */
  keepCheckpoint(): void {
    const { machine } = this.parts;
    const count = machine.clock.instructions;
    if (machine.inHandler || machine.stopped !== undefined || this.checkpoints.nextDue(count) > count) return;
    this.checkpoints.add(count, machine.save());
  }

  /** An edit changed what lies ahead. */
  futureChanged(): void {
    this.checkpoints.dropAfter(this.parts.machine.clock.instructions - 1);
    if (this.checkpoints.all.length === 0) this.keepCheckpoint();
  }

  /** To the moment before the last instruction, or before the delivery that has just happened. */
  async stepBack(): Promise<Stop> {
    const { machine, control, momentKey } = this.parts;
    const count = machine.clock.instructions;
    const now = momentKey();
    if (count > 0 || (this.checkpoints.all[0]?.count ?? 0) < count) {
      const stop = await this.goTo(count);
      if (stop !== undefined) return stop;
      if (momentKey() !== now) return control.stepped('Paused on step back');
    }
    if (count === 0) return this.atStart();
    return (await this.goTo(count - 1)) ?? control.stepped('Paused on step back');
  }

  /** To the last breakpoint or event before now, or to the start. */
  async reverseContinue(): Promise<Stop> {
    const { machine } = this.parts;
    const now = machine.clock.instructions;
    for (let end = now; ; ) {
      const from = this.checkpoints.atOrBefore(end - 1);
      if (from === undefined) return this.backToStart();
      const hits = await this.hitsBetween(from.state, end);
      if (typeof hits !== 'number') return hits;
      if (hits > 0) return this.hit(from.state, hits);
      end = from.count;
    }
  }

  /** Breakpoints and events from a checkpoint up to a count, or the stop that interrupted the search. */
  private hitsBetween(from: MachineSave, end: number): Promise<number | Stop> {
    const { machine, control, withoutCounting } = this.parts;
    return withoutCounting(async () => {
      machine.load(from, true);
      for (let hits = 0; ; hits++) {
        const outcome = await control.run({ count: end });
        if (outcome.kind !== 'stop') return hits;
        if (outcome.stop.kind !== 'stopped' || outcome.stop.reason === 'pause') return outcome.stop;
      }
    });
  }

  /** Goes to the n-th hit after a checkpoint. */
  private hit(from: MachineSave, n: number): Promise<Stop> {
    const { machine, control, withoutCounting } = this.parts;
    return withoutCounting(async () => {
      machine.load(from, true);
      for (let i = 1; ; i++) {
        const outcome = await control.run({});
        if (outcome.kind !== 'stop') return control.stepped();
        if (i === n || outcome.stop.kind !== 'stopped' || outcome.stop.reason === 'pause') return outcome.stop;
      }
    });
  }

  private async backToStart(): Promise<Stop> {
    const first = this.checkpoints.all[0];
    if (first !== undefined) this.parts.machine.load(first.state, true);
    return this.atStart();
  }

  private atStart(): Stop {
    const stop = this.parts.control.stepped('Paused at the start of the recorded run');
    return stop.kind === 'stopped' ? { ...stop, reason: 'entry' } : stop;
  }

  /** Loads and replays to a count, blind for breakpoints; a stop only when somebody interrupts it. */
  private async goTo(count: number): Promise<Stop | undefined> {
    const { machine, control } = this.parts;
    const from = this.checkpoints.atOrBefore(count);
    if (from === undefined) return this.backToStart();
    machine.load(from.state, true);
    while (machine.clock.instructions < count) {
      const before = machine.clock.instructions;
      const stop = machine.run({ count: Math.min(count, before + 200_000) });
      if (stop.reason === 'stopped' || stop.reason === 'waiting' || stop.reason === 'stalled') break;
      const wanted = stop.reason === 'count' ? await control.breathe() : undefined;
      if (wanted !== undefined) return wanted;
    }
    return undefined;
  }
}
