/**
 * Steps: in, over and out, by instruction or by source line. A step is a series of runs with small goals; hardware
 * interrupts on the way run to their end unseen unless the user wants to see them.
 */
import { decode, FlowControl } from '../x86/iced';
import type { LineRecord } from './code-map';
import type { Outcome, RunControl } from './run-control';
import type { StackFrame } from './stack';
import type { Stop } from './stop';

export type Granularity = 'instruction' | 'line';

/** Where the guest stands, as far as steps care. */
export interface StepPlace {
  /** Linear address of the next instruction. */
  readonly address: number;
  readonly esp: number;
  readonly cpl: number;
}

export interface SteppingParts {
  readonly control: RunControl;
  place(): StepPlace;
  count(): number;
  recordAt(address: number): LineRecord | undefined;
  readCode(address: number, n: number): Uint8Array;
  read32(address: number): number | undefined;
  /** Tells the machine to stop before these linear addresses besides the breakpoints; empty for none. */
  watchPlaces(places: ReadonlySet<number>): void;
  readonly skipInterrupts: boolean;
}

/** A line with more instructions than this (a loop in a macro) ends its step where it is. */
const MOST_PER_LINE = 1_000_000;

/** How far above the expected value ESP may stand after a return: RET n takes arguments along. */
const RETURN_SLACK = 1024;

export class Stepping {
  constructor(private readonly parts: SteppingParts) {}

  stepIn(granularity: Granularity): Promise<Stop> {
    return this.lines(granularity, () => this.instruction());
  }

  stepOver(granularity: Granularity): Promise<Stop> {
    return this.lines(granularity, () => this.over());
  }

  /** Runs until the frame below is back in charge. */
  async stepOut(caller: StackFrame): Promise<Stop> {
    const { address, esp, ring } = caller;
    const outcome = await this.until(address, (p) => p.cpl === ring && p.esp >= esp && p.esp < esp + RETURN_SLACK);
    return outcome.kind === 'stop' ? outcome.stop : this.parts.control.stepped();
  }

  /** Repeats a step until the line is left (or once, by instruction). */
  private async lines(granularity: Granularity, step: () => Promise<Stop | undefined>): Promise<Stop> {
    const start = this.parts.recordAt(this.parts.place().address);
    for (let i = 1; i <= MOST_PER_LINE; i++) {
      const before = this.parts.place();
      const repeats = this.isRepeat(before.address);
      const stop = await step();
      if (stop !== undefined) return stop;
      if (granularity === 'instruction' || start === undefined) break;
      const after = this.parts.place();
      const record = this.parts.recordAt(after.address);
      if (record === undefined || record.path !== start.path || record.line !== start.line) break;
      // A jump back within the line is the line again; a repeated string instruction is still the same one.
      if (after.address <= before.address && !(repeats && after.address === before.address)) break;
      if (i % 1000 === 0) {
        const wanted = await this.parts.control.breathe();
        if (wanted !== undefined) return wanted;
      }
    }
    return this.parts.control.stepped();
  }

  /** One instruction, or the delivery of the exception that it raises; undefined when done. */
  private async instruction(): Promise<Stop | undefined> {
    const { control, skipInterrupts } = this.parts;
    for (;;) {
      const count = this.parts.count();
      const outcome = await control.run({ count: count + 1, deliveries: true });
      if (outcome.kind === 'stop') return outcome.stop;
      if (outcome.kind !== 'delivery' || !outcome.interrupt || !skipInterrupts) return undefined;
      // The interrupt came before the instruction, or behind it within the same visit of the VMM.
      const executed = this.parts.count() > count;
      const stop = await this.interruptEnds();
      if (stop !== undefined || executed) return stop;
    }
  }

  /** At the first instruction of an interrupt's handler: runs until the interrupted code goes on. */
  private async interruptEnds(): Promise<Stop | undefined> {
    const { esp, cpl } = this.parts.place();
    const word = (index: number): number => this.parts.read32((esp + 4 * index) >>> 0) ?? 0;
    const address = word(0);
    const ring = word(1) & 3;
    // The frame: EIP, CS, EFLAGS, and from an outer ring ESP and SS.
    const after = ring > cpl ? word(3) : esp + 12;
    const outcome = await this.until(address, (p) => p.cpl === ring && p.esp === after);
    return outcome.kind === 'stop' ? outcome.stop : undefined;
  }

  /** One instruction; calls, software interrupts and repeated instructions run to their end. */
  private async over(): Promise<Stop | undefined> {
    const start = this.parts.place();
    const next = this.endOfCall(start.address);
    if (next === undefined) return this.instruction();
    const outcome = await this.until(
      next,
      (p) => p.cpl === start.cpl && p.esp >= start.esp && p.esp < start.esp + RETURN_SLACK,
    );
    return outcome.kind === 'stop' ? outcome.stop : undefined;
  }

  private async until(address: number, arrives: (place: StepPlace) => boolean): Promise<Outcome> {
    const places = new Set([address]);
    this.parts.watchPlaces(places);
    try {
      return await this.parts.control.run({ places, arrives: () => arrives(this.parts.place()) });
    } finally {
      this.parts.watchPlaces(new Set());
    }
  }

  /** Where execution goes on after a call, a software interrupt or a repeated instruction; undefined for others. */
  private endOfCall(address: number): number | undefined {
    const bytes = this.parts.readCode(address, 15);
    if (bytes.length === 0) return undefined;
    const { flowControl, rep, repne, length, isInvalid } = decode(bytes, 32, BigInt(address));
    if (isInvalid) return undefined;
    const calls =
      flowControl === FlowControl.Call ||
      flowControl === FlowControl.IndirectCall ||
      flowControl === FlowControl.Interrupt;
    return calls || rep || repne ? (address + length) >>> 0 : undefined;
  }

  private isRepeat(address: number): boolean {
    const bytes = this.parts.readCode(address, 15);
    if (bytes.length === 0) return false;
    const { rep, repne } = decode(bytes, 32, BigInt(address));
    return rep || repne;
  }
}
