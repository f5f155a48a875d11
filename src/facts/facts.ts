/**
 * Facts: a pure fold over the event stream. What happened, counted by kind and by cause; the same events give the same
 * facts, whatever of them is stored.
 */
import { EVENT_KINDS, type EventKind, eventKindNumber } from '../machine/event-kinds';
import { EVENT_WORDS, EW, type EventStream } from '../machine/events';

/** Counts by a number (exit reason, vector, port, ...); absent means none. */
export type Counts = Record<number, number>;

/** Everything that the fold keeps: plain numbers, saved with each checkpoint. */
export interface FactsState {
  readonly version: 1;
  /** Events by kind number. */
  readonly events: Counts;
  readonly exitsByReason: Counts;
  /** By index in the VMM's table of handler names. */
  readonly exitsByHandler: Counts;
  /** Cycles from the exit to the next entry, by exit reason. */
  readonly exitCycles: Counts;
  readonly faultsByClass: Counts;
  readonly shadowByOp: Counts;
  readonly tlbByOp: Counts;
  readonly irqByOp: Counts;
  /** Walk references by dimension (0 guest, 1 host). */
  readonly walkByDimension: Counts;
  /** Ring changes by from * 4 + to. */
  readonly rings: Counts;
  readonly ringsByCause: Counts;
  readonly deliveriesByVector: Counts;
  readonly portReads: Counts;
  readonly portWrites: Counts;
  readonly outputByDevice: Counts;
  readonly controlByRegister: Counts;
  readonly framesByOwner: Counts;
  readonly leaksByInstruction: Counts;
  /** Hash of all deliveries: position, vector, kind, error code, CR2. */
  readonly deliveryHash: number;
  /** Exit still without its entry: reason, or -1, and its cycle. */
  readonly openExit: number;
  readonly openExitCycle: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Fold = (state: Mutable<FactsState>, payload: (index: number) => number, record: EventPlace) => void;

interface EventPlace {
  readonly count: number;
  readonly cycle: number;
}

const bump = (counts: Counts, key: number): void => {
  counts[key] = (counts[key] ?? 0) + 1;
};

/** What an event of a kind adds, beyond being counted. */
const FOLDS: Partial<Record<EventKind, Fold>> = {
  ring: (s, p) => {
    bump(s.rings, p(0) * 4 + p(1));
    bump(s.ringsByCause, p(2));
  },
  exit: (s, p, at) => {
    bump(s.exitsByReason, p(0));
    bump(s.exitsByHandler, p(2));
    s.openExit = p(0);
    s.openExitCycle = at.cycle;
  },
  entry: (s, _, at) => {
    if (s.openExit < 0) return;
    s.exitCycles[s.openExit] = (s.exitCycles[s.openExit] ?? 0) + at.cycle - s.openExitCycle;
    s.openExit = -1;
  },
  fault: (s, p) => bump(s.faultsByClass, p(0)),
  shadow: (s, p) => bump(s.shadowByOp, p(0)),
  walkRef: (s, p) => bump(s.walkByDimension, p(0)),
  tlb: (s, p) => bump(s.tlbByOp, p(0)),
  irq: (s, p) => bump(s.irqByOp, p(0)),
  deliver: (s, p, at) => {
    bump(s.deliveriesByVector, p(0));
    let hash = s.deliveryHash;
    for (const word of [at.count | 0, Math.floor(at.count / 0x1_0000_0000), p(0), p(1), p(2), p(3)]) {
      hash = Math.imul(hash ^ word, 0x01000193);
      hash ^= hash >>> 15;
    }
    s.deliveryHash = hash;
  },
  pio: (s, p) => bump(p(0) === 0 ? s.portReads : s.portWrites, p(1)),
  output: (s, p) => bump(s.outputByDevice, p(0)),
  control: (s, p) => bump(s.controlByRegister, p(0)),
  frame: (s, p) => bump(s.framesByOwner, p(0)),
  leak: (s, p) => bump(s.leaksByInstruction, p(0)),
};

const FOLD_BY_NUMBER = EVENT_KINDS.map((kind) => FOLDS[kind.name as EventKind]); // rows are named by EventKind's members

function empty(): Mutable<FactsState> {
  return {
    version: 1,
    events: {},
    exitsByReason: {},
    exitsByHandler: {},
    exitCycles: {},
    faultsByClass: {},
    shadowByOp: {},
    tlbByOp: {},
    irqByOp: {},
    walkByDimension: {},
    rings: {},
    ringsByCause: {},
    deliveriesByVector: {},
    portReads: {},
    portWrites: {},
    outputByDevice: {},
    controlByRegister: {},
    framesByOwner: {},
    leaksByInstruction: {},
    deliveryHash: 0,
    openExit: -1,
    openExitCycle: 0,
  };
}

export class Facts {
  private state = empty();

  /** Folds every event of a stream from now on. */
  follow(events: EventStream): void {
    events.onEvent((words, offset) => this.fold(words, offset));
  }

  /** Folds one record. */
  fold(words: Uint32Array, offset: number): void {
    if (offset + EVENT_WORDS > words.length) throw new RangeError('The event record is cut off.');
    const word = (index: number): number => words[offset + index] ?? 0;
    const kind = word(EW.head) & 0xff;
    bump(this.state.events, kind);
    FOLD_BY_NUMBER[kind]?.(this.state, (index) => word(EW.payload + index), {
      count: word(EW.countLow) + word(EW.countHigh) * 0x1_0000_0000,
      cycle: word(EW.cycleLow) + word(EW.cycleHigh) * 0x1_0000_0000,
    });
  }

  /** Events of a kind so far. */
  count(kind: EventKind): number {
    return this.state.events[eventKindNumber(kind)] ?? 0;
  }

  /** The present facts; do not change them. */
  get all(): Readonly<FactsState> {
    return this.state;
  }

  save(): FactsState {
    const copy = { ...this.state };
    // Counts are one level deep.
    return Object.fromEntries(
      Object.entries(copy).map(([name, value]) => [name, typeof value === 'object' ? { ...value } : value]),
    ) as unknown as FactsState; // the same fields, copied
  }

  load(state: unknown): void {
    const saved = state as Partial<FactsState>; // a save that this class made; its version is checked
    if (saved.version !== 1) throw new Error('The facts in the save have another version; make the save again.');
    const fresh = empty();
    this.state = Object.assign(
      fresh,
      Object.fromEntries(
        Object.entries(saved).map(([name, value]) => [name, typeof value === 'object' ? { ...value } : value]),
      ),
    );
  }
}
