/**
 * How results decide the arithmetic flags (Intel SDM 1, "Status Flags").
 *
 * Rule for flags that the manual leaves undefined: logic, shift and multiply instructions clear AF; a multiplication
 * sets ZF, SF and PF from the low half; shifts and rotates by more than one compute OF as for one; a division changes
 * no flag; bit scans set SF and PF from the result. This is what Bochs does; techniques must only agree with each other.
 */
import type { OperandSize, SemanticContext } from './context';

export function bits(size: OperandSize): number {
  return size * 8;
}

/** The sign bit of a value of this width, 0 or 1. */
export function signBit<V>(c: SemanticContext<V>, value: V, size: OperandSize): V {
  return c.and(c.shiftRight(value, c.constant(bits(size) - 1)), c.constant(1));
}

/** Sets all six flags for result = a + b + carry in, and returns the result. */
export function addWithFlags<V>(c: SemanticContext<V>, a: V, b: V, size: OperandSize, carryIn?: V): V {
  const sum = carryIn === undefined ? c.add(a, b) : c.add(c.add(a, b), carryIn);
  const result = c.zeroExtend(sum, size);
  const changed = c.xor(a, result);
  if (carryIn === undefined) c.setCarry(c.below(result, a));
  else {
    const carries = c.or(c.and(a, b), c.and(c.or(a, b), c.xor(result, c.constant(-1))));
    c.setCarry(signBit(c, carries, size));
  }
  c.setOverflow(signBit(c, c.and(changed, c.xor(b, result)), size));
  c.setAdjust(c.xor(changed, b));
  c.setResult(result, size);
  return result;
}

/** Sets all six flags for result = a - b - borrow in, and returns the result. */
export function subtractWithFlags<V>(c: SemanticContext<V>, a: V, b: V, size: OperandSize, borrowIn?: V): V {
  const difference = borrowIn === undefined ? c.subtract(a, b) : c.subtract(c.subtract(a, b), borrowIn);
  const result = c.zeroExtend(difference, size);
  const unequal = c.xor(a, b);
  if (borrowIn === undefined) c.setCarry(c.below(a, b));
  else {
    const notA = c.xor(a, c.constant(-1));
    const borrows = c.or(c.and(notA, b), c.and(c.or(notA, b), result));
    c.setCarry(signBit(c, borrows, size));
  }
  c.setOverflow(signBit(c, c.and(unequal, c.xor(a, result)), size));
  c.setAdjust(c.xor(unequal, result));
  c.setResult(result, size);
  return result;
}

/** Flags of AND, OR, XOR and TEST. */
export function logicFlags<V>(c: SemanticContext<V>, result: V, size: OperandSize): void {
  c.setCarry(c.constant(0));
  c.setOverflow(c.constant(0));
  c.setAdjust(c.constant(0));
  c.setResult(result, size);
}
