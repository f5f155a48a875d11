/**
 * Two Intel 8259A interrupt controllers as the PC wires them: the second one's output is line 2 of the first
 * (Intel 8259A data sheet). Polling is not simulated.
 */

/** Called when a request line's interrupt request is latched, with the vector that it will have. */
export type RequestObserver = (vector: number, line: number) => void;

export interface PicChipState {
  readonly irr: number;
  readonly isr: number;
  readonly imr: number;
  readonly lines: number;
  readonly base: number;
  readonly lowest: number;
  readonly levelTriggered: boolean;
  readonly autoEoi: boolean;
  readonly rotateOnAutoEoi: boolean;
  readonly specialMask: boolean;
  readonly readIsr: boolean;
  /** Initialization word expected next: 2, 3, 4, or 0 when initialized. */
  readonly expected: number;
  readonly needsWord4: boolean;
  readonly single: boolean;
}

const RESET: PicChipState = {
  irr: 0,
  isr: 0,
  imr: 0xff,
  lines: 0,
  base: 0,
  lowest: 7,
  levelTriggered: false,
  autoEoi: false,
  rotateOnAutoEoi: false,
  specialMask: false,
  readIsr: false,
  expected: 0,
  needsWord4: false,
  single: false,
};

const ICW1 = 0x10;
const OCW3 = 0x08;

/** One chip. Masks, requests and services are bit sets of its eight lines. */
class PicChip {
  private s: { -readonly [K in keyof PicChipState]: PicChipState[K] } = { ...RESET };

  constructor(private readonly requested: RequestObserver) {}

  /** Drives a request line; a rising edge latches a request, a falling one withdraws it if it is still waiting. */
  setLine(line: number, high: boolean): void {
    const s = this.s;
    const bit = 1 << line;
    const was = (s.lines & bit) !== 0;
    if (high) s.lines |= bit;
    else s.lines &= ~bit;
    if (high && !was) {
      if ((s.irr & bit) === 0) this.requested(s.base + line, line);
      s.irr |= bit;
    } else if (!high) {
      s.irr &= ~bit;
    }
  }

  /** The line that would be served next, or undefined. */
  private best(): number | undefined {
    const s = this.s;
    const waiting = s.irr & ~s.imr;
    if (waiting === 0) return undefined;
    for (let i = 1; i <= 8; i++) {
      const line = (s.lowest + i) & 7;
      const bit = 1 << line;
      const inService = (s.isr & bit) !== 0;
      // A line in service shuts out itself and all below it; in special mask mode only while it is not masked.
      if (inService && !(s.specialMask && (s.imr & bit) !== 0)) {
        return undefined;
      }
      if ((waiting & bit) !== 0) return line;
    }
    return undefined;
  }

  get output(): boolean {
    return this.s.expected === 0 && this.best() !== undefined;
  }

  /** The two INTA cycles. A request that vanished meanwhile gives the spurious line 7, which is not in service. */
  acknowledge(): { line: number; vector: number; spurious: boolean } {
    const s = this.s;
    const line = this.best();
    if (line === undefined) return { line: 7, vector: s.base + 7, spurious: true };
    const bit = 1 << line;
    if (!s.levelTriggered) s.irr &= ~bit;
    if (!s.autoEoi) s.isr |= bit;
    else if (s.rotateOnAutoEoi) s.lowest = line;
    return { line, vector: s.base + line, spurious: false };
  }

  writeCommand(value: number): void {
    const s = this.s;
    if ((value & ICW1) !== 0) {
      // Initialization clears the edge detector (a line that is high must rise again), the mask and all modes.
      const { lines, base } = s;
      this.s = { ...RESET, lines, base, imr: 0, expected: 2 };
      this.s.needsWord4 = (value & 1) !== 0;
      this.s.single = (value & 2) !== 0;
      this.s.levelTriggered = (value & 8) !== 0;
    } else if ((value & OCW3) !== 0) {
      if ((value & 0x02) !== 0) s.readIsr = (value & 1) !== 0;
      if ((value & 0x40) !== 0) s.specialMask = (value & 0x20) !== 0;
    } else {
      this.endOfInterrupt(value);
    }
  }

  /** OCW2: bits 7-5 are rotate, specific, end of interrupt; bits 2-0 a line. */
  private endOfInterrupt(value: number): void {
    const s = this.s;
    const rotate = (value & 0x80) !== 0;
    const specific = (value & 0x40) !== 0;
    const end = (value & 0x20) !== 0;
    const named = value & 7;
    if (end) {
      const line = specific ? named : this.highestInService();
      if (line === undefined) return;
      s.isr &= ~(1 << line);
      if (rotate) s.lowest = line;
    } else if (rotate && specific) {
      s.lowest = named;
    } else if (!specific) {
      s.rotateOnAutoEoi = rotate;
    }
  }

  private highestInService(): number | undefined {
    for (let i = 1; i <= 8; i++) {
      const line = (this.s.lowest + i) & 7;
      if ((this.s.isr & (1 << line)) !== 0) return line;
    }
    return undefined;
  }

  writeData(value: number): void {
    const s = this.s;
    switch (s.expected) {
      case 2:
        s.base = value & 0xf8;
        s.expected = s.single ? (s.needsWord4 ? 4 : 0) : 3;
        break;
      case 3:
        s.expected = s.needsWord4 ? 4 : 0;
        break;
      case 4:
        s.autoEoi = (value & 2) !== 0;
        s.expected = 0;
        break;
      default:
        s.imr = value;
    }
  }

  readCommand(): number {
    return this.s.readIsr ? this.s.isr : this.s.irr;
  }

  readData(): number {
    return this.s.imr;
  }

  save(): PicChipState {
    return { ...this.s };
  }

  load(state: PicChipState): void {
    this.s = { ...state };
  }
}

export interface PicState {
  readonly first: PicChipState;
  readonly second: PicChipState;
}

const CASCADE_LINE = 2;

/** The pair. Lines are numbered 0 to 15; line 2 is the cascade and cannot be driven. */
export class Pic {
  private readonly first: PicChip;
  private readonly second: PicChip;

  /** @param requested told each new request */
  constructor(requested: RequestObserver) {
    // The cascade's own request is no news: the second chip has told the vector.
    this.first = new PicChip((vector, line) => {
      if (line !== CASCADE_LINE) requested(vector, line);
    });
    this.second = new PicChip(requested);
  }

  setLine(line: number, high: boolean): void {
    if (line < 8) this.first.setLine(line, high);
    else this.second.setLine(line - 8, high);
    this.cascade();
  }

  private cascade(): void {
    this.first.setLine(CASCADE_LINE, this.second.output);
  }

  pending(): boolean {
    return this.first.output;
  }

  /** Vector of the interrupt that the processor takes now. */
  acknowledge(): number {
    const taken = this.first.acknowledge();
    if (taken.spurious || taken.line !== CASCADE_LINE) return taken.vector;
    const vector = this.second.acknowledge().vector;
    this.cascade();
    return vector;
  }

  /** @param port 0x20, 0x21, 0xa0 or 0xa1 */
  read(port: number): number {
    const chip = port < 0x80 ? this.first : this.second;
    return (port & 1) === 0 ? chip.readCommand() : chip.readData();
  }

  write(port: number, value: number): void {
    const chip = port < 0x80 ? this.first : this.second;
    if ((port & 1) === 0) chip.writeCommand(value);
    else chip.writeData(value);
    this.cascade();
  }

  save(): PicState {
    return { first: this.first.save(), second: this.second.save() };
  }

  load(state: PicState): void {
    this.first.load(state.first);
    this.second.load(state.second);
  }
}
