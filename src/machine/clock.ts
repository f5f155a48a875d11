/**
 * Time on the machine: how many instructions have retired, how long processors stood halted, and the cycle ledger beside
 * them. Guest time (instructions + idle) drives timers; cycles are only kept.
 */
import type { CpuTechnique } from './config';
import type { Costs } from './costs';
import { EVENT_KINDS, type EventKind } from './event-kinds';
import { EW, type EventStream } from './events';

export interface ClockState {
  readonly instructions: number;
  readonly idle: number;
}

export class Clock {
  private settled = 0;
  private halted = 0;
  /**
   * Instructions that the slice now running has retired and not yet settled; the processor sets it, so that an event in
   * the middle of a slice carries its exact position and does not depend on where slices end.
   */
  inFlight: () => number = () => 0;

  /** Retired and emulated guest instructions: Position.count. */
  get instructions(): number {
    return this.settled + this.inFlight();
  }

  /** Ticks spent halted. */
  get idle(): number {
    return this.halted;
  }

  /** Guest time of a machine with one VM. */
  get now(): number {
    return this.settled + this.inFlight() + this.halted;
  }

  /** Settles n instructions; called with inFlight back at zero for them. */
  retire(n: number): void {
    this.settled += n;
  }

  passIdle(ticks: number): void {
    this.halted += ticks;
  }

  save(): ClockState {
    return { instructions: this.settled, idle: this.halted };
  }

  load(state: ClockState): void {
    this.settled = state.instructions;
    this.halted = state.idle;
  }
}

/** Parts of the ledger. worldSwitch: the hardware's price of exits, entries and traps; vmm: the VMM's own work. */
export const CYCLE_PARTS = ['guest', 'vmm', 'walk', 'worldSwitch', 'device'] as const;
export type CyclePart = (typeof CYCLE_PARTS)[number];
export type CycleSplit = Record<CyclePart, number>;

/** Cycles charged by the cost model, from counts of instructions and of events. */
export class CycleLedger {
  private split: CycleSplit = { guest: 0, vmm: 0, walk: 0, worldSwitch: 0, device: 0 };
  /** Part and price by event kind number. */
  private readonly prices: readonly (readonly [CyclePart, number] | undefined)[];

  constructor(
    private readonly costs: Costs,
    technique: CpuTechnique,
    private readonly clock: Clock,
  ) {
    const prices: Partial<Record<EventKind, readonly [CyclePart, number]>> = {
      walkRef: ['walk', costs.walkReference],
      exit: ['worldSwitch', technique === 'hw' ? costs.vmExit : costs.trapToVmm],
      // The trap's price holds the way back.
      entry: ['worldSwitch', technique === 'hw' ? costs.vmEntry : 0],
      shadow: ['vmm', costs.shadowOperation],
      pio: ['device', technique === 'native' ? costs.portNative : costs.portEmulated],
    };
    // Rows of EVENT_KINDS are named by the keys of EventKind.
    this.prices = EVENT_KINDS.map((kind) => prices[kind.name as EventKind]);
  }

  /** Charges each event as it is emitted. */
  follow(events: EventStream): void {
    events.onEvent((words, offset) => {
      const price = this.prices[(words[offset + EW.head] ?? 0) & 0xff];
      if (price !== undefined) this.split[price[0]] += price[1];
    });
  }

  /** n instructions that the VMM interpreted for the guest. */
  emulated(n: number): void {
    this.split.vmm += n * this.costs.emulateInstruction;
  }

  /** Cycles so far by part; guest is the instruction count at the preset's price. */
  parts(): CycleSplit {
    return { ...this.split, guest: this.clock.instructions * this.costs.instruction };
  }

  get total(): number {
    const s = this.split;
    return this.clock.instructions * this.costs.instruction + s.vmm + s.walk + s.worldSwitch + s.device;
  }

  save(): CycleSplit {
    return { ...this.split };
  }

  load(state: CycleSplit): void {
    this.split = { ...state };
  }
}
