/** The sixteen conditions of Jcc, SETcc and CMOVcc by their encoding number (Intel SDM 1, "Condition Codes"). */
import type { SemanticContext } from './context';

export type Condition = <V>(c: SemanticContext<V>) => V;

const not =
  (condition: Condition): Condition =>
  (c) =>
    c.xor(condition(c), c.constant(1));

const overflow: Condition = (c) => c.overflow();
const carry: Condition = (c) => c.carry();
const zero: Condition = (c) => c.zero();
const belowOrEqual: Condition = (c) => c.or(c.carry(), c.zero());
const sign: Condition = (c) => c.sign();
const parity: Condition = (c) => c.parity();
const less: Condition = (c) => c.xor(c.sign(), c.overflow());
const lessOrEqual: Condition = (c) => c.or(c.zero(), less(c));

const CONDITIONS: readonly Condition[] = [
  overflow,
  not(overflow),
  carry,
  not(carry),
  zero,
  not(zero),
  belowOrEqual,
  not(belowOrEqual),
  sign,
  not(sign),
  parity,
  not(parity),
  less,
  not(less),
  lessOrEqual,
  not(lessOrEqual),
];

/** The condition of an encoding number, taken modulo 16; gives 0 or 1. */
export function conditionOf(number: number): Condition {
  return CONDITIONS[number & 15] ?? overflow;
}

/** Condition suffixes by number, as iced names its codes. */
export const CONDITION_NAMES = [
  'o',
  'no',
  'b',
  'ae',
  'e',
  'ne',
  'be',
  'a',
  's',
  'ns',
  'p',
  'np',
  'l',
  'ge',
  'le',
  'g',
] as const;
