/**
 * Run control: the guest runs in slices, between which messages come in, until a goal is reached, a breakpoint or an event
 * filter stops it, somebody pauses it, or it ends.
 */
import { DeliveryKind, eventKindNumber } from '../machine/event-kinds';
import { EVENT_WORDS, type EventObject, EW, readEvent } from '../machine/events';
import type { Machine, MachineStop } from '../machine/machine';
import { hex } from './addresses';
import type { Breakpoints } from './breakpoints';
import type { EventFilter, EventFilters } from './event-filters';
import type { ExpressionScope } from './expressions';
import type { Stop, StopReason } from './stop';
import type { DataBreakpoints } from './watchpoints';

/** Instructions between two looks at the mailbox: a few milliseconds of an interpreted guest. */
const SLICE = 200_000;

/** Breakpoints passed over (conditions, log points) between two looks at the mailbox. */
const MOST_PASSES = 500;

/** What a run is to reach; whatever comes first ends it. */
export interface Goal {
  /** Instruction count to stop at, exactly. */
  readonly count?: number;
  /** Linear addresses to stop before, if `arrives` says so. */
  readonly places?: ReadonlySet<number>;
  arrives?(): boolean;
  /** Stop behind the delivery of an exception or interrupt to the guest. */
  readonly deliveries?: boolean;
}

/** How a run came to its end. */
export type Outcome =
  | { readonly kind: 'goal' }
  /** `interrupt`: from a device, between two instructions. */
  | { readonly kind: 'delivery'; readonly interrupt: boolean }
  | { readonly kind: 'stop'; readonly stop: Stop };

export interface RunControlParts {
  readonly machine: Machine;
  breakpoints(): Breakpoints;
  readonly filters: EventFilters;
  scope(): ExpressionScope;
  /** Linear address of the next instruction. */
  address(): number;
  /** GPA of a linear address in the guest's current address space. */
  gpa(linear: number): number | undefined;
  /** Addresses at which the machine stops. */
  armed(): ReadonlySet<number>;
  watched(): DataBreakpoints;
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
  private finished: (() => void) | undefined;
  private wake: (() => void) | undefined;
  private messages: string[] = [];
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
    this.messages = [];
  }

  /** It is over. */
  finish(): void {
    this.busy = false;
    this.finished?.();
    this.finished = undefined;
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
        this.finished = resolve;
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
    if (this.halted) return { kind: 'stop', stop: { kind: 'abandoned', messages: this.messages } };
    if (this.pauseAsked) return this.stopped('pause', 'Paused', []);
    return undefined;
  }

  private slice(goal: Goal): Outcome | 'slice' | 'waiting' {
    const interrupted = this.interrupted();
    if (interrupted !== undefined) return interrupted;
    const end = Math.min(goal.count ?? Number.POSITIVE_INFINITY, this.parts.machine.clock.instructions + SLICE);
    for (let passes = 0; passes < MOST_PASSES; passes++) {
      const outcome = this.burst(goal, end);
      if (outcome === 'again') continue;
      this.parts.sliceEnded();
      return outcome;
    }
    return 'slice';
  }

  /** One call of the machine and what follows from how it returned. */
  private burst(goal: Goal, end: number): Outcome | 'slice' | 'waiting' | 'again' {
    const { machine } = this.parts;
    const watch: Watch = { goal };
    this.watch = watch;
    let stop: MachineStop;
    try {
      stop = machine.run({ count: end });
    } finally {
      this.watch = undefined;
    }
    if (watch.filtered !== undefined) {
      const { filter, event } = watch.filtered;
      const description = filter.describe(event);
      this.exception = { id: filter.id, description };
      return this.stopped('exception', description, []);
    }
    if (stop.reason === 'stopped') {
      return { kind: 'stop', stop: { kind: 'ended', ...this.parts.ended(), messages: this.messages } };
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
    if (stop.reason === 'waiting') return 'waiting';
    if (goal.count !== undefined && machine.clock.instructions >= goal.count) return { kind: 'goal' };
    // The next call does not stop at the instruction where it begins, so a slice that ends there looks for itself.
    const address = this.parts.address();
    if (!this.parts.armed().has(address)) return 'slice';
    const outcome = this.arrived(goal, address);
    return outcome === 'again' ? 'slice' : outcome;
  }

  private arrived(goal: Goal, address: number): Outcome | 'again' {
    if (goal.places?.has(address) === true && goal.arrives?.() !== false) return { kind: 'goal' };
    const verdict = this.parts.breakpoints().arrive(address, this.parts.gpa(address), this.parts.scope());
    if (verdict.kind === 'stop') {
      if (verdict.problem !== undefined) this.messages.push(verdict.problem);
      const origin = verdict.breakpoints[0]?.origin ?? 'source';
      const reason: StopReason = origin === 'source' ? 'breakpoint' : `${origin} breakpoint`;
      const ids = verdict.breakpoints.map((b) => b.id);
      return this.stopped(reason, `Paused on ${reason}`, ids);
    }
    this.messages.push(...verdict.log);
    return 'again';
  }

  private stopped(reason: StopReason, description: string, breakpointIds: readonly number[]): Outcome {
    return { kind: 'stop', stop: { kind: 'stopped', reason, description, breakpointIds, messages: this.messages } };
  }

  /** A stop because a step is done. */
  stepped(description = 'Paused on step'): Stop {
    return { kind: 'stopped', reason: 'step', description, breakpointIds: [], messages: this.messages };
  }
}
