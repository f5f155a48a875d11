/** Multiplication, division and sign extension of the accumulator (Intel SDM 1, "Multiply and Divide Instructions"). */
import { RAX, RDX } from '../registers';
import type { SemanticContext } from './context';
import { bits, logicFlags } from './flags';

/** Flags of a multiplication: CF and OF tell that the high half is needed. */
function productFlags<V>(c: SemanticContext<V>, low: V, needsHigh: V): void {
  logicFlags(c, low, c.size);
  c.setCarry(needsHigh);
  c.setOverflow(needsHigh);
}

function wideProduct(signed: boolean) {
  return <V>(c: SemanticContext<V>): void => {
    const size = c.size;
    const source = c.read(0);
    const accumulator = c.gpr(RAX, size);
    if (size === 4) {
      const low = c.multiply(accumulator, source);
      const high = c.multiplyHigh(accumulator, source, signed);
      const plain = signed ? c.shiftRightSigned(low, c.constant(31)) : c.constant(0);
      productFlags(c, low, c.isZero(c.equal(high, plain)));
      c.setGpr(RAX, low, 4);
      c.setGpr(RDX, high, 4);
      return;
    }
    const extend = (value: V): V => (signed ? c.signExtend(value, size) : value);
    const product = c.multiply(extend(accumulator), extend(source));
    const low = c.zeroExtend(product, size);
    productFlags(c, low, c.isZero(c.equal(extend(low), product)));
    if (size === 1) c.setGpr(RAX, product, 2);
    else {
      c.setGpr(RAX, product, 2);
      c.setGpr(RDX, c.shiftRight(product, c.constant(16)), 2);
    }
  };
}

export const mul = wideProduct(false);
export const imulWide = wideProduct(true);

function truncatedProduct(first: number) {
  return <V>(c: SemanticContext<V>): void => {
    const size = c.size;
    const a = c.signExtend(c.read(first), size);
    const b = c.signExtend(c.read(first + 1), size);
    const low = c.zeroExtend(c.multiply(a, b), size);
    const fits =
      size === 4
        ? c.equal(c.multiplyHigh(a, b, true), c.shiftRightSigned(low, c.constant(31)))
        : c.equal(c.signExtend(low, size), c.multiply(a, b));
    productFlags(c, low, c.isZero(fits));
    c.write(0, low);
  };
}

export const imulTwo = truncatedProduct(0);
export const imulThree = truncatedProduct(1);

function division(signed: boolean) {
  return <V>(c: SemanticContext<V>): void => {
    const size = c.size;
    const divisor = c.read(0);
    const low = c.gpr(RAX, size);
    const high = size === 1 ? c.ah() : c.gpr(RDX, size);
    const { quotient, remainder } = c.divide(high, low, divisor, signed);
    c.setGpr(RAX, quotient, size);
    if (size === 1) c.setAh(remainder);
    else c.setGpr(RDX, remainder, size);
  };
}

export const div = division(false);
export const idiv = division(true);

/** CBW, CWDE: the accumulator sign-extended into itself. */
export function extendAccumulator<V>(c: SemanticContext<V>): void {
  const half = c.size === 4 ? 2 : 1;
  c.setGpr(RAX, c.signExtend(c.gpr(RAX, half), half), c.size);
}

/** CWD, CDQ: the accumulator's sign into all of DX or EDX. */
export function signToData<V>(c: SemanticContext<V>): void {
  const value = c.signExtend(c.gpr(RAX, c.size), c.size);
  c.setGpr(RDX, c.shiftRightSigned(value, c.constant(bits(4) - 1)), c.size);
}
