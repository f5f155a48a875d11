/**
 * The event stream: fixed-width records in chunked typed arrays, a rolling hash over everything emitted (whatever is
 * retained), and listeners that fold each event at emission. No object is made per event.
 */
import { EVENT_KINDS, type EventKind, eventKindName, eventKindNumber, type Retention } from './event-kinds';

/** 32-bit words in a record. */
export const EVENT_WORDS = 16;
/** Word positions in a record. */
export const EW = {
  /** kind | vm << 8 | vcpu << 16 | cpl << 24 (the guest's own view of its ring). */
  head: 0,
  /** Handler step of the position. */
  step: 1,
  /** Position: machine instruction count, low and high word. */
  countLow: 2,
  countHigh: 3,
  /** Guest instruction pointer (offset in CS), low and high word. */
  ipLow: 4,
  ipHigh: 5,
  /** Cycle ledger at emission, low and high word. */
  cycleLow: 6,
  cycleHigh: 7,
  payload: 8,
} as const;

const CHUNK_RECORDS = 4096;

/** Where and when an event happens: filled by the machine before each emission. */
export interface EventContext {
  vm: number;
  vcpu: number;
  cpl: number;
  step: number;
  count: number;
  ip: number;
  cycle: number;
}

/** Folds a record at emission; words[offset .. offset + EVENT_WORDS) is the record. */
export type EventFold = (words: Uint32Array, offset: number) => void;

/** A record as an object, for views and messages (never on the hot path). */
export interface EventObject {
  readonly index: number;
  readonly kind: EventKind;
  readonly vm: number;
  readonly vcpu: number;
  readonly cpl: number;
  readonly count: number;
  readonly step: number;
  readonly ip: number;
  readonly cycle: number;
  readonly fields: Readonly<Record<string, number>>;
}

export interface EventStreamState {
  readonly emitted: number;
  readonly hash: readonly [number, number];
  /** Index of the oldest record in `chunks`. */
  readonly firstIndex: number;
  /** One past the index of the newest. */
  readonly endIndex: number;
  /** Records in chunks of CHUNK_RECORDS; full chunks never change again and are shared with the stream and other saves. */
  readonly chunks: readonly Uint32Array[];
}

export class EventStream {
  private readonly scratch = new Uint32Array(EVENT_WORDS);
  private readonly retained: boolean[];
  private chunks: Uint32Array[] = [];
  private stored = 0;
  private dropped = 0;
  private hashLow = 0x811c9dc5 | 0;
  private hashHigh = 0x9e3779b9 | 0;
  private total = 0;
  private readonly folds: EventFold[] = [];

  /**
   * @param context read at each emission
   * @param limit most records kept (older ones are dropped a chunk at a time)
   */
  constructor(
    readonly context: EventContext,
    private readonly limit = 1 << 20,
  ) {
    this.retained = EVENT_KINDS.map((k) => k.retention === 'recorded');
  }

  /** Changes what is stored of a kind; never what is hashed or folded. */
  retain(kind: EventKind, retention: Retention): void {
    this.retained[eventKindNumber(kind)] = retention === 'recorded';
  }

  onEvent(fold: EventFold): void {
    this.folds.push(fold);
  }

  /** Events emitted since reset, stored or not. */
  get emitted(): number {
    return this.total;
  }

  /** The rolling hash of everything emitted, 16 hexadecimal digits. */
  get hash(): string {
    return hex32(this.hashHigh) + hex32(this.hashLow);
  }

  emit(kind: EventKind, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0): void {
    this.write(undefined, kind, a, b, c, d, e, f, g, h);
  }

  /** As {@link emit}, for what happened at another instruction than the one at which the guest stands by now. */
  emitAt(ip: number, kind: EventKind, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0): void {
    this.write(ip, kind, a, b, c, d, e, f, g, h);
  }

  private write(
    place: number | undefined,
    kind: EventKind,
    a: number,
    b: number,
    c: number,
    d: number,
    e: number,
    f: number,
    g: number,
    h: number,
  ): void {
    const s = this.scratch;
    const at = this.context;
    const number = eventKindNumber(kind);
    s[0] = number | (at.vm << 8) | (at.vcpu << 16) | (at.cpl << 24);
    s[1] = at.step;
    s[2] = at.count >>> 0;
    s[3] = Math.floor(at.count / 0x1_0000_0000);
    const ip = place ?? at.ip;
    s[4] = ip >>> 0;
    s[5] = Math.floor(ip / 0x1_0000_0000);
    s[6] = at.cycle >>> 0;
    s[7] = Math.floor(at.cycle / 0x1_0000_0000);
    s[8] = a;
    s[9] = b;
    s[10] = c;
    s[11] = d;
    s[12] = e;
    s[13] = f;
    s[14] = g;
    s[15] = h;
    let low = this.hashLow;
    let high = this.hashHigh;
    for (let i = 0; i < EVENT_WORDS; i++) {
      low = Math.imul(low ^ (s[i] ?? 0), 0x01000193);
      high = Math.imul((high << 5) | (high >>> 27), 0x85ebca6b) ^ low ^ (s[i] ?? 0);
    }
    this.hashLow = low;
    this.hashHigh = high;
    this.total++;
    for (const fold of this.folds) fold(s, 0);
    if (this.retained[number] === true) this.store(s);
  }

  private store(record: Uint32Array): void {
    const slot = this.stored % CHUNK_RECORDS;
    if (slot === 0) {
      this.chunks.push(new Uint32Array(CHUNK_RECORDS * EVENT_WORDS));
      if (this.chunks.length * CHUNK_RECORDS > this.limit + CHUNK_RECORDS) {
        this.chunks.shift();
        this.dropped += CHUNK_RECORDS;
      }
    }
    this.chunks[this.chunks.length - 1]?.set(record, slot * EVENT_WORDS);
    this.stored++;
  }

  /** Index of the oldest record still kept. */
  get firstIndex(): number {
    return this.dropped;
  }

  /** One past the index of the newest record. */
  get endIndex(): number {
    return this.stored;
  }

  /** The record of an index as an object, undefined when it is not kept. */
  at(index: number): EventObject | undefined {
    if (index < this.dropped || index >= this.stored) return undefined;
    const local = index - this.dropped;
    const chunk = this.chunks[Math.floor(local / CHUNK_RECORDS)];
    if (chunk === undefined) return undefined;
    return readEvent(chunk, (local % CHUNK_RECORDS) * EVENT_WORDS, index);
  }

  /** The newest records that pass, newest first, at most `most`. */
  newest(most: number, passes: (event: EventObject) => boolean = () => true): EventObject[] {
    const found: EventObject[] = [];
    for (let i = this.stored - 1; i >= this.dropped && found.length < most; i--) {
      const event = this.at(i);
      if (event !== undefined && passes(event)) found.push(event);
    }
    return found;
  }

  save(): EventStreamState {
    const kept = this.stored - this.dropped;
    const partial = kept % CHUNK_RECORDS;
    const chunks = this.chunks.slice();
    if (partial > 0) {
      const last = chunks.pop();
      if (last !== undefined) chunks.push(last.slice(0, partial * EVENT_WORDS));
    }
    return {
      emitted: this.total,
      hash: [this.hashLow, this.hashHigh],
      firstIndex: this.dropped,
      endIndex: this.stored,
      chunks,
    };
  }

  load(state: EventStreamState): void {
    this.total = state.emitted;
    [this.hashLow, this.hashHigh] = state.hash;
    this.dropped = state.firstIndex;
    this.stored = state.endIndex;
    this.chunks = state.chunks.map((chunk) => {
      if (chunk.length === CHUNK_RECORDS * EVENT_WORDS) return chunk;
      const whole = new Uint32Array(CHUNK_RECORDS * EVENT_WORDS);
      whole.set(chunk);
      return whole;
    });
  }
}

/** Reads a record into an object. */
export function readEvent(words: Uint32Array, offset: number, index: number): EventObject {
  const word = (i: number): number => words[offset + i] ?? 0;
  const head = word(EW.head);
  const info = EVENT_KINDS[head & 0xff];
  const fields: Record<string, number> = {};
  info?.fields.forEach((name, i) => {
    fields[name] = word(EW.payload + i);
  });
  return {
    index,
    kind: eventKindName(head & 0xff),
    vm: (head >>> 8) & 0xff,
    vcpu: (head >>> 16) & 0xff,
    cpl: head >>> 24,
    step: word(EW.step),
    count: word(EW.countLow) + word(EW.countHigh) * 0x1_0000_0000,
    ip: word(EW.ipLow) + word(EW.ipHigh) * 0x1_0000_0000,
    cycle: word(EW.cycleLow) + word(EW.cycleHigh) * 0x1_0000_0000,
    fields,
  };
}

function hex32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}
