/**
 * The Intel 8254 programmable interval timer (Intel 8254 data sheet): three counters, of which counter 0 raises interrupt
 * line 0 and counter 2 is gated through port 0x61. Counters are never ticked: their values follow from the time.
 */

/** Units of guest time in one tick of the 1.193182 MHz clock. */
export const PIT_TICK = 8;

export interface CounterState {
  readonly mode: number;
  readonly bcd: boolean;
  /** 1 low byte, 2 high byte, 3 low then high. */
  readonly access: number;
  /** 1 to 65536 ticks; 0 while no count has been written since the control word. */
  readonly reload: number;
  /** Count to load at the end of the present period (modes 2 and 3), or 0. */
  readonly next: number;
  /** Guest time at which the present count was loaded. */
  readonly start: number;
  /** Guest time up to which edges have been reported. */
  readonly reported: number;
  readonly gate: boolean;
  /** Low byte written and waiting for the high one, or -1. */
  readonly lowWritten: number;
  readonly highNext: boolean;
  /** Latched bytes still to be read. */
  readonly latched: readonly number[];
}

const RESET: CounterState = {
  mode: 3,
  bcd: false,
  access: 3,
  reload: 0,
  next: 0,
  start: 0,
  reported: 0,
  gate: true,
  lowWritten: -1,
  highNext: false,
  latched: [],
};

/** Modes 6 and 7 are 2 and 3 again. */
const MODES = [0, 1, 2, 3, 4, 5, 2, 3] as const;

class Counter {
  s: { -readonly [K in keyof CounterState]: CounterState[K] } = { ...RESET };

  private get periodic(): boolean {
    return this.s.mode === 2 || this.s.mode === 3;
  }

  control(mode: number, access: number, bcd: boolean): void {
    const { gate } = this.s;
    this.s = { ...RESET, mode: MODES[mode & 7] ?? 0, access, bcd, gate };
  }

  writeByte(value: number, now: number): void {
    const s = this.s;
    if (s.access === 1) this.loadCount(value, now);
    else if (s.access === 2) this.loadCount(value << 8, now);
    else if (s.lowWritten < 0) s.lowWritten = value;
    else {
      const count = s.lowWritten | (value << 8);
      s.lowWritten = -1;
      this.loadCount(count, now);
    }
  }

  private loadCount(raw: number, now: number): void {
    const s = this.s;
    const decoded = s.bcd ? fromBcd(raw) : raw;
    const count = decoded === 0 ? (s.bcd ? 10_000 : 0x1_0000) : decoded;
    if (this.periodic && s.reload !== 0) {
      s.next = count;
      return;
    }
    s.reload = count;
    s.next = 0;
    s.start = now;
    s.reported = now;
  }

  /** A rising gate restarts the counting in modes 2 and 3. */
  setGate(high: boolean, now: number): void {
    const s = this.s;
    if (high && !s.gate && this.periodic) s.start = now;
    s.gate = high;
  }

  /** Guest time of the first rising edge of the output after the reported ones; undefined when none will come. */
  nextEdge(): number | undefined {
    const s = this.s;
    if (s.reload === 0 || !s.gate) return undefined;
    if (this.periodic) {
      const period = s.reload * PIT_TICK;
      return s.start + (Math.floor((s.reported - s.start) / period) + 1) * period;
    }
    if (s.mode !== 0) return undefined;
    const end = s.start + (s.reload + 1) * PIT_TICK;
    return end > s.reported ? end : undefined;
  }

  /** Moves on to `now`; true when the output rose since the last call. */
  advance(now: number): boolean {
    const s = this.s;
    let rose = false;
    for (let edge = this.nextEdge(); edge !== undefined && edge <= now; edge = this.nextEdge()) {
      rose = true;
      s.reported = edge;
      if (s.next !== 0) {
        s.start = edge;
        s.reload = s.next;
        s.next = 0;
      } else if (this.periodic) {
        // Skip whole periods at once; edges between two looks are one to an edge-triggered controller.
        const period = s.reload * PIT_TICK;
        s.reported = edge + Math.floor((now - edge) / period) * period;
      }
    }
    if (now > s.reported) s.reported = now;
    return rose;
  }

  private count(now: number): number {
    const s = this.s;
    if (s.reload === 0) return 0;
    const ticks = Math.floor((now - s.start) / PIT_TICK);
    let value: number;
    if (s.mode === 2) value = s.reload - (ticks % s.reload);
    // Mode 3 counts by two, twice per period.
    else if (s.mode === 3) value = s.reload - ((2 * ticks) % s.reload);
    else value = (s.reload - ticks) & 0xffff;
    return s.bcd ? toBcd(value % 10_000) : value & 0xffff;
  }

  output(now: number): boolean {
    const s = this.s;
    if (s.reload === 0) return s.mode !== 0;
    const ticks = Math.floor((now - s.start) / PIT_TICK);
    if (s.mode === 2) return ticks % s.reload !== s.reload - 1;
    if (s.mode === 3) return ticks % s.reload < Math.ceil(s.reload / 2);
    return ticks > s.reload;
  }

  latchCount(now: number): void {
    const s = this.s;
    if (s.latched.length > 0) return;
    s.latched = this.bytes(this.count(now));
  }

  /** Status byte of the read-back command: output, null count, access, mode, BCD. */
  latchStatus(now: number): void {
    const s = this.s;
    const nullCount = s.reload === 0 || s.next !== 0;
    const status =
      (this.output(now) ? 0x80 : 0) | (nullCount ? 0x40 : 0) | (s.access << 4) | (s.mode << 1) | (s.bcd ? 1 : 0);
    s.latched = [status, ...s.latched];
  }

  private bytes(count: number): number[] {
    if (this.s.access === 1) return [count & 0xff];
    if (this.s.access === 2) return [count >> 8];
    return [count & 0xff, count >> 8];
  }

  readByte(now: number): number {
    const s = this.s;
    const [first, ...rest] = s.latched;
    if (first !== undefined) {
      s.latched = rest;
      return first;
    }
    const [low, high] = this.bytes(this.count(now));
    if (s.access !== 3) return low ?? 0;
    s.highNext = !s.highNext;
    return (s.highNext ? low : high) ?? 0;
  }
}

export interface PitState {
  readonly counters: readonly CounterState[];
  readonly speaker: number;
}

const READ_BACK = 3;
const PORT_CONTROL = 0x43;
export const SYSTEM_CONTROL_PORT = 0x61;

export class Pit {
  private readonly counters = [new Counter(), new Counter(), new Counter()] as const;
  /** Bits 0 (gate of counter 2) and 1 (speaker) of port 0x61. */
  private speaker = 0;

  /**
   * @param now guest time
   * @param rose told when counter 0's output rises
   */
  constructor(
    private readonly now: () => number,
    private readonly rose: () => void,
  ) {
    this.counters[2].s.gate = false;
  }

  nextDeadline(): number | undefined {
    return this.counters[0].nextEdge();
  }

  advance(now: number): void {
    for (const counter of this.counters) {
      if (counter.advance(now) && counter === this.counters[0]) this.rose();
    }
  }

  /** @param port 0x40 to 0x43, or 0x61 */
  read(port: number): number {
    const now = this.now();
    if (port === SYSTEM_CONTROL_PORT) {
      // Bit 4 toggles with memory refresh, some 15 microseconds on a PC: 18 ticks.
      const refresh = Math.floor(now / (18 * PIT_TICK)) & 1;
      return this.speaker | (refresh << 4) | (this.counters[2].output(now) ? 0x20 : 0);
    }
    // The control word cannot be read: open bus.
    return this.counters[port & 3]?.readByte(now) ?? 0xff;
  }

  write(port: number, value: number): void {
    const now = this.now();
    if (port === SYSTEM_CONTROL_PORT) {
      this.speaker = value & 3;
      this.counters[2].setGate((value & 1) !== 0, now);
    } else if (port === PORT_CONTROL) this.command(value, now);
    else this.counters[port & 3]?.writeByte(value, now);
  }

  private command(value: number, now: number): void {
    const select = value >> 6;
    const access = (value >> 4) & 3;
    if (select === READ_BACK) {
      this.counters.forEach((counter, i) => {
        if ((value & (2 << i)) === 0) return;
        if ((value & 0x20) === 0) counter.latchCount(now);
        if ((value & 0x10) === 0) counter.latchStatus(now);
      });
    } else if (access === 0) this.counters[select]?.latchCount(now);
    else this.counters[select]?.control((value >> 1) & 7, access, (value & 1) !== 0);
  }

  save(): PitState {
    return { counters: this.counters.map((counter) => ({ ...counter.s })), speaker: this.speaker };
  }

  load(state: PitState): void {
    this.counters.forEach((counter, i) => {
      counter.s = { ...(state.counters[i] ?? RESET) };
    });
    this.speaker = state.speaker;
  }
}

function fromBcd(value: number): number {
  let result = 0;
  for (let shift = 12; shift >= 0; shift -= 4) result = result * 10 + ((value >> shift) & 0xf);
  return result;
}

function toBcd(value: number): number {
  let result = 0;
  for (let shift = 0, rest = value; shift < 16; shift += 4, rest = Math.floor(rest / 10))
    result |= (rest % 10) << shift;
  return result;
}
