/**
 * Run control: the guest runs in slices, between which messages come in, until a goal is reached, a breakpoint or an event
 * filter stops it, somebody pauses it, or it ends.
 */
import { DeliveryKind, eventKindNumber } from '../machine/event-kinds';
import { EVENT_WORDS, type EventObject, EW, readEvent } from '../machine/events';
import type { HandlerStep } from '../machine/hypervisor-port';
import type { Machine } from '../machine/machine';
import type { MachineStop } from '../machine/machine-stop';
import { hex } from './addresses';
import type { Breakpoints } from './breakpoints';
import type { EventFilter, EventFilters } from './event-filters';
import type { ExpressionScope } from './expressions';
import type { Stop, StopReason } from './stop';
import type { DataBreakpoints } from './watchpoints';

/** Instructions between two looks at the mailbox: as many as take about {@link SLICE_MS}. */
const LEAST_SLICE = 10_000;
const MOST_SLICE = 4_000_000;
const SLICE_MS = 15;

/** Breakpoints passed over (conditions, log points) between two looks at the mailbox. */
const MOST_PASSES = 500;

/** What a run is to reach; whatever comes first ends it. */
export interface Goal {
  /** Instruction count to stop at, exactly. */
  readonly count?: number;
  /** Linear addresses to stop before, if `arrives` says so. */
  readonly places?: ReadonlySet<number>;
  arrives?(): boolean;
  /** Stop at each named step of the VMM's handlers, and behind the last one of a visit. */
  readonly handlerSteps?: boolean;
  /** Stop behind the delivery of an exception or interrupt to the guest. */
  readonly deliveries?: boolean;
}

/** How a run came to its end. */
export type Outcome =
  | { readonly kind: 'goal' }
  | { readonly kind: 'handlerStep'; readonly step: HandlerStep }
  /** The VMM's visit is over; the guest goes on next. */
  | { readonly kind: 'handlerEnd' }
  /** `interrupt`: from a device, between two instructions. */
  | { readonly kind: 'delivery'; readonly interrupt: boolean }
  | { readonly kind: 'stop'; readonly stop: Stop };

export interface RunControlParts {
  readonly machine: Machine;
  breakpoints(): Breakpoints;
  readonly filters: EventFilters;
  scope(): ExpressionScope;
  /** GPA of a linear address in the guest's current address space. */
  gpa(linear: number): number | undefined;
  watched(): DataBreakpoints;
  /** A line for the user: a log point's, or why a condition failed. */
  say(line: string): void;
  yieldToHost(): Promise<void>;
  /** Called after each slice: serial output, checkpoints. */
  sliceEnded(): void;
  /** The guest ended: what that means. */
  ended(): { readonly exitCode: number; readonly description: string };
}

const DELIVER = eventKindNumber('deliver');

/** What the run in progress has seen. */
interface Watch {
  readonly goal: Goal;
  filtered?: { readonly filter: EventFilter; readonly event: EventObject };
  delivered?: EventObject;
}

export class RunControl {
  private pauseAsked = false;
  private halted = false;
  private busy = false;
  private watch: Watch | undefined;
  /** Who waits until nothing runs: several requests may end a session at once. */
  private finished: (() => void)[] = [];
  private wake: (() => void) | undefined;
  private length = 50_000;
  /** The last slice ended by its count, in the middle of a run. */
  private cut = false;
  /** The filter that caused the last stop. */
  exception: { readonly id: string; readonly description: string } | undefined;

  constructor(private readonly parts: RunControlParts) {
    parts.machine.events.onEvent((words, offset) => this.see(words, offset));
  }

  get running(): boolean {
    return this.busy;
  }

  /** A continue or a step begins; it may consist of several runs. */
  start(): void {
    this.busy = true;
    this.pauseAsked = false;
    this.exception = undefined;
    this.cut = false;
  }

  /** It is over. */
  finish(): void {
    this.busy = false;
    for (const resolve of this.finished.splice(0)) resolve();
  }

  /** Stops what runs at the end of its slice. */
  pause(): void {
    this.pauseAsked = true;
    this.wake?.();
  }

  /** Ends what runs for good; resolves when nothing runs any more. */
  async halt(): Promise<void> {
    this.halted = true;
    this.wake?.();
    if (this.busy) {
      await new Promise<void>((resolve) => {
        this.finished.push(resolve);
      });
    }
  }

  /** An input arrived that may wake a halted guest. */
  inputArrived(): void {
    this.wake?.();
  }

  /** Holds an event against the goal and the filters; runs inside the machine, so it only takes notes. */
  private see(words: Uint32Array, offset: number): void {
    const { watch } = this;
    if (watch === undefined) return;
    if (watch.filtered === undefined) {
      const filtered = this.parts.filters.match(words, offset, () => this.parts.scope());
      if (filtered !== undefined) {
        watch.filtered = filtered;
        this.parts.machine.requestStop();
      }
    }
    if (watch.goal.deliveries === true && ((words[offset + EW.head] ?? 0) & 0xff) === DELIVER) {
      watch.delivered ??= readEvent(words.slice(offset, offset + EVENT_WORDS), 0, -1);
      this.parts.machine.requestStop();
    }
  }

  /** Runs until the goal or something else ends it; messages are let in between slices. */
  async run(goal: Goal): Promise<Outcome> {
    for (;;) {
      const outcome = this.slice(goal);
      if (outcome === 'waiting') await this.sleep();
      else if (outcome === 'slice') await this.parts.yieldToHost();
      else return outcome;
    }
  }

  /** Nothing but an input or the user can make the guest go on. */
  private async sleep(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    this.wake = undefined;
  }

  /** Lets messages in between two short runs; a stop when one of them wants it. */
  async breathe(): Promise<Stop | undefined> {
    await this.parts.yieldToHost();
    const outcome = this.interrupted();
    return outcome?.kind === 'stop' ? outcome.stop : undefined;
  }

  private interrupted(): Outcome | undefined {
    if (this.halted) return { kind: 'stop', stop: { kind: 'abandoned' } };
    if (this.pauseAsked) return this.stopped('pause', 'Paused', []);
    return undefined;
  }

  private slice(goal: Goal): Outcome | 'slice' | 'waiting' {
    const interrupted = this.interrupted();
    if (interrupted !== undefined) return interrupted;
    const end = Math.min(goal.count ?? Number.POSITIVE_INFINITY, this.parts.machine.clock.instructions + this.length);
    const began = performance.now();
    for (let passes = 0; passes < MOST_PASSES; passes++) {
      const outcome = this.burst(goal, end);
      if (outcome === 'again') continue;
      this.parts.sliceEnded();
      if (outcome === 'slice') this.adapt(performance.now() - began);
      return outcome;
    }
    return 'slice';
  }

  /** Where slices end changes nothing in the guest, so their length may follow the clock. */
  private adapt(milliseconds: number): void {
    if (milliseconds > 2 * SLICE_MS) this.length = Math.max(LEAST_SLICE, Math.floor(this.length / 2));
    else if (milliseconds < SLICE_MS / 2) this.length = Math.min(MOST_SLICE, this.length * 2);
  }

  /** One call of the machine and what follows from how it returned. */
  private burst(goal: Goal, end: number): Outcome | 'slice' | 'waiting' | 'again' {
    const { machine } = this.parts;
    const watch: Watch = { goal };
    this.watch = watch;
    let stop: MachineStop;
    try {
      stop = machine.run({ count: end, resumed: this.cut, stepHandler: goal.handlerSteps === true });
    } finally {
      this.watch = undefined;
      this.cut = false;
    }
    if (watch.filtered !== undefined) {
      const { filter, event } = watch.filtered;
      const description = filter.describe(event);
      this.exception = { id: filter.id, description };
      return this.stopped('exception', description, [], filter.description);
    }
    if (stop.reason === 'stopped') {
      return { kind: 'stop', stop: { kind: 'ended', ...this.parts.ended() } };
    }
    if (watch.delivered !== undefined) {
      return { kind: 'delivery', interrupt: watch.delivered.fields['kind'] === DeliveryKind.interrupt };
    }
    if (stop.reason === 'breakpoint') return this.arrived(goal, stop.linear);
    if (stop.reason === 'watchpoint') {
      const hit = this.parts.watched().at(stop.hpa);
      const [first] = hit;
      const what = first === undefined ? 'data breakpoint' : `access to ${hex(first.linear)}`;
      return this.stopped(
        'data breakpoint',
        `Paused on ${what}`,
        hit.map((b) => b.id),
      );
    }
    if (stop.reason === 'handlerStep') return { kind: 'handlerStep', step: stop.step };
    if (stop.reason === 'handlerEnd') return { kind: 'handlerEnd' };
    if (stop.reason === 'waiting') return 'waiting';
    if (stop.reason === 'stalled') {
      this.exception = { id: 'stalled', description: stop.message };
      return this.stopped('exception', 'Paused on a guest that makes no progress', [], stop.message);
    }
    if (goal.count !== undefined && machine.clock.instructions >= goal.count) return { kind: 'goal' };
    // A breakpoint at the instruction where the slice was cut has not been met yet.
    this.cut = true;
    return 'slice';
  }

  private arrived(goal: Goal, address: number): Outcome | 'again' {
    if (goal.places?.has(address) === true && goal.arrives?.() !== false) return { kind: 'goal' };
    const verdict = this.parts.breakpoints().arrive(address, this.parts.gpa(address), this.parts.scope());
    if (verdict.kind === 'stop') {
      if (verdict.problem !== undefined) this.parts.say(verdict.problem);
      const origin = verdict.breakpoints[0]?.origin ?? 'source';
      const reason: StopReason = origin === 'source' ? 'breakpoint' : `${origin} breakpoint`;
      const ids = verdict.breakpoints.map((b) => b.id);
      return this.stopped(reason, `Paused on ${reason}`, ids);
    }
    for (const line of verdict.log) this.parts.say(line);
    return 'again';
  }

  private stopped(reason: StopReason, description: string, breakpointIds: readonly number[], text?: string): Outcome {
    const stop = { kind: 'stopped', reason, description, breakpointIds } as const;
    return { kind: 'stop', stop: text === undefined ? stop : { ...stop, text } };
  }

  /** A stop because a step is done. */
  stepped(description = 'Paused on step'): Stop {
    return { kind: 'stopped', reason: 'step', description, breakpointIds: [] };
  }
}
