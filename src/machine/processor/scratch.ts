/** The words of the state block that are the engine's own bookkeeping and no part of the processor's state. */
import { OFF } from '../../engine/state';

/** Byte ranges [from, to). */
export const SCRATCH_RANGES: readonly (readonly [from: number, to: number])[] = [
  [OFF.budget, OFF.cpl],
  [OFF.mode, OFF.scratch],
  [OFF.scratch, OFF.segments],
];
