/** Decimal and ASCII adjustment (Intel SDM 1, "Decimal Arithmetic Instructions"); undefined flags as flags.ts says. */
import { DE } from '../exceptions';
import { RAX } from '../registers';
import type { SemanticContext } from './context';
import { logicFlags } from './flags';

function lowDigitTooBig<V>(c: SemanticContext<V>, al: V): V {
  return c.or(c.below(c.constant(9), c.and(al, c.constant(15))), c.adjust());
}

function packed(step: <V>(c: SemanticContext<V>, a: V, b: V) => V, borrows: boolean) {
  return <V>(c: SemanticContext<V>): void => {
    const al = c.gpr(RAX, 1);
    const carry = c.carry();
    const low = lowDigitTooBig(c, al);
    const high = c.or(c.below(c.constant(0x99), al), carry);
    const zero = c.constant(0);
    const afterLow = step(c, al, c.select(low, c.constant(6), zero));
    const result = c.zeroExtend(step(c, afterLow, c.select(high, c.constant(0x60), zero)), 1);
    // DAS also keeps the borrow of its first step.
    const borrow = borrows ? c.and(low, c.below(al, c.constant(6))) : zero;
    logicFlags(c, result, 1);
    c.setAdjust(c.shiftLeft(low, c.constant(4)));
    c.setCarry(c.or(high, borrow));
    c.setGpr(RAX, result, 1);
  };
}

export const daa = packed((c, a, b) => c.add(a, b), false);
export const das = packed((c, a, b) => c.subtract(a, b), true);

function unpacked(step: <V>(c: SemanticContext<V>, a: V, b: V) => V) {
  return <V>(c: SemanticContext<V>): void => {
    const adjust = lowDigitTooBig(c, c.gpr(RAX, 1));
    const stepped = step(c, c.gpr(RAX, 2), c.select(adjust, c.constant(0x106), c.constant(0)));
    const result = c.and(stepped, c.constant(0xff0f));
    logicFlags(c, c.zeroExtend(result, 1), 1);
    c.setAdjust(c.shiftLeft(adjust, c.constant(4)));
    c.setCarry(adjust);
    c.setGpr(RAX, result, 2);
  };
}

export const aaa = unpacked((c, a, b) => c.add(a, b));
export const aas = unpacked((c, a, b) => c.subtract(a, b));

export function aam<V>(c: SemanticContext<V>): void {
  const base = c.immediate(0) & 0xff;
  c.raise(DE, c.constant(base === 0 ? 1 : 0));
  const al = c.gpr(RAX, 1);
  const digit = c.remainder(al, base);
  const { quotient } = c.divide(c.constant(0), al, c.constant(base), false);
  c.setGpr(RAX, c.or(c.shiftLeft(quotient, c.constant(8)), digit), 2);
  logicFlags(c, digit, 1);
}

export function aad<V>(c: SemanticContext<V>): void {
  const scaled = c.multiply(c.ah(), c.constant(c.immediate(0) & 0xff));
  const result = c.zeroExtend(c.add(c.gpr(RAX, 1), scaled), 1);
  c.setGpr(RAX, result, 2);
  logicFlags(c, result, 1);
}

/** SALC: AL is all ones when CF is set; undocumented, and on every processor. */
export function salc<V>(c: SemanticContext<V>): void {
  c.setGpr(RAX, c.subtract(c.constant(0), c.carry()), 1);
}
