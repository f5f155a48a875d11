/** What the VMM uses of the machine that it runs on; class Machine offers it. */
import type { HostMemory } from '../engine/memory';
import type { Clock } from '../machine/clock';
import type { EventStream } from '../machine/events';
import type { HostTimer } from '../machine/host-timer';
import type { Processor } from '../machine/processor/processor';

export interface Host {
  readonly memory: HostMemory;
  readonly processor: Processor;
  readonly events: EventStream;
  readonly clock: Clock;
  /** One-shot timer of the bare machine, in machine time (clock.now); raises external interrupt 0xF0. */
  readonly hostTimer: HostTimer;
  /** Counts guest instructions that the VMM has completed for the guest. */
  retireEmulated(n?: number): void;
  /** Lets halted time pass. */
  idle(ticks: number): void;
  /** Ends the guest: emits `stop` and makes the run return. The message says what to tell a person beyond the cause. */
  stop(cause: number, value: number, message?: string): void;
}
