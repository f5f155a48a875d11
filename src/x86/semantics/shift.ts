/** Shifts and rotates (Intel SDM 1, "Shift and Rotate Instructions"; undefined flags as flags.ts says). */
import type { SemanticContext } from './context';
import { bits, logicFlags, signBit } from './flags';

/** Reads destination and count (modulo 32); nothing changes when the count is zero, but memory is still checked for writing. */
function shift(body: <V>(c: SemanticContext<V>, value: V, count: V) => V, countOperand = 1) {
  return <V>(c: SemanticContext<V>): void => {
    const value = c.update(0);
    const count = c.and(c.read(countOperand), c.constant(31));
    c.when(count, () => c.write(0, body(c, value, count)));
  };
}

function lowBit<V>(c: SemanticContext<V>, value: V): V {
  return c.and(value, c.constant(1));
}

/** Bit number `width - count` of a value that holds `width` bits, for counts of 1 to 31: the last one shifted out leftwards. */
function lastOutLeft<V>(c: SemanticContext<V>, value: V, count: V): V {
  if (c.size === 4) return lowBit(c, c.shiftRight(value, c.subtract(c.constant(32), count)));
  return lowBit(c, c.shiftRight(c.shiftLeft(value, count), c.constant(bits(c.size))));
}

function lastOutRight<V>(c: SemanticContext<V>, value: V, count: V): V {
  return lowBit(c, c.shiftRight(value, c.subtract(count, c.constant(1))));
}

/** The exclusive or of the two highest bits: OF of right shifts and rotates. */
function topBitsDiffer<V>(c: SemanticContext<V>, result: V): V {
  return signBit(c, c.xor(result, c.shiftLeft(result, c.constant(1))), c.size);
}

export const shl = shift((c, value, count) => {
  const result = c.zeroExtend(c.shiftLeft(value, count), c.size);
  logicFlags(c, result, c.size);
  const carry = lastOutLeft(c, value, count);
  c.setCarry(carry);
  c.setOverflow(c.xor(carry, signBit(c, result, c.size)));
  return result;
});

export const shr = shift((c, value, count) => {
  const result = c.shiftRight(value, count);
  logicFlags(c, result, c.size);
  c.setCarry(lastOutRight(c, value, count));
  c.setOverflow(topBitsDiffer(c, result));
  return result;
});

export const sar = shift((c, value, count) => {
  const signed = c.signExtend(value, c.size);
  const result = c.zeroExtend(c.shiftRightSigned(signed, count), c.size);
  logicFlags(c, result, c.size);
  c.setCarry(lowBit(c, c.shiftRightSigned(signed, c.subtract(count, c.constant(1)))));
  return result;
});

export const rol = shift((c, value, count) => {
  const result = rotateLeft(c, value, count);
  const carry = lowBit(c, result);
  c.setCarry(carry);
  c.setOverflow(c.xor(carry, signBit(c, result, c.size)));
  return result;
});

export const ror = shift((c, value, count) => {
  const result = rotateLeft(c, value, c.subtract(c.constant(32), count));
  c.setCarry(signBit(c, result, c.size));
  c.setOverflow(topBitsDiffer(c, result));
  return result;
});

/** Rotates inside the operand's width; a narrow value is repeated over 32 bits first, so that one rotation serves. */
function rotateLeft<V>(c: SemanticContext<V>, value: V, count: V): V {
  if (c.size === 4) return c.rotateLeft(value, count);
  const repeated = c.multiply(value, c.constant(c.size === 1 ? 0x01010101 : 0x00010001));
  return c.zeroExtend(c.rotateLeft(repeated, count), c.size);
}

/** RCL and RCR turn width + 1 bits, so narrow counts are taken modulo 9 or 17. */
function rotateThroughCarry(body: <V>(c: SemanticContext<V>, value: V, count: V, carry: V) => V) {
  return <V>(c: SemanticContext<V>): void => {
    const value = c.update(0);
    const masked = c.and(c.read(1), c.constant(31));
    const count = c.size === 4 ? masked : c.remainder(masked, bits(c.size) + 1);
    const carry = c.carry();
    c.when(count, () => c.write(0, body(c, value, count, carry)));
  };
}

export const rcl = rotateThroughCarry((c, value, count, carry) => {
  const rest = c.subtract(c.constant(bits(c.size)), count);
  const low = c.shiftRight(c.shiftRight(value, c.constant(1)), rest);
  const middle = c.shiftLeft(carry, c.subtract(count, c.constant(1)));
  const result = c.zeroExtend(c.or(c.or(c.shiftLeft(value, count), middle), low), c.size);
  const out = lowBit(c, c.shiftRight(value, rest));
  c.setCarry(out);
  c.setOverflow(c.xor(out, signBit(c, result, c.size)));
  return result;
});

export const rcr = rotateThroughCarry((c, value, count, carry) => {
  const rest = c.subtract(c.constant(bits(c.size)), count);
  const high = c.shiftLeft(c.shiftLeft(value, c.constant(1)), rest);
  const result = c.zeroExtend(c.or(c.or(c.shiftRight(value, count), c.shiftLeft(carry, rest)), high), c.size);
  c.setCarry(lastOutRight(c, value, count));
  c.setOverflow(topBitsDiffer(c, result));
  return result;
});

/** SHLD: for 16 bits and counts above 16, undefined by the manual, the destination is shifted in once more. */
export const shld = shift((c, value, count) => {
  const source = c.read(1);
  let result: typeof value;
  let carry: typeof value;
  if (c.size === 4) {
    result = c.or(c.shiftLeft(value, count), c.shiftRight(source, c.subtract(c.constant(32), count)));
    carry = lowBit(c, c.shiftRight(value, c.subtract(c.constant(32), count)));
  } else {
    const pair = c.or(c.shiftLeft(value, c.constant(16)), source);
    const more = c.shiftLeft(value, c.subtract(count, c.constant(16)));
    const shifted = c.or(c.shiftLeft(pair, count), c.select(c.below(c.constant(16), count), more, c.constant(0)));
    result = c.shiftRight(shifted, c.constant(16));
    carry = lowBit(c, c.shiftRight(pair, c.subtract(c.constant(32), count)));
  }
  logicFlags(c, result, c.size);
  c.setCarry(carry);
  c.setOverflow(c.xor(carry, signBit(c, result, c.size)));
  return result;
}, 2);

export const shrd = shift((c, value, count) => {
  const source = c.read(1);
  let result: typeof value;
  let carry: typeof value;
  if (c.size === 4) {
    result = c.or(c.shiftRight(value, count), c.shiftLeft(source, c.subtract(c.constant(32), count)));
    carry = lastOutRight(c, value, count);
  } else {
    const pair = c.or(c.shiftLeft(source, c.constant(16)), value);
    const more = c.shiftLeft(value, c.subtract(c.constant(32), count));
    const shifted = c.or(c.shiftRight(pair, count), c.select(c.below(c.constant(16), count), more, c.constant(0)));
    result = c.zeroExtend(shifted, 2);
    carry = lastOutRight(c, pair, count);
  }
  logicFlags(c, result, c.size);
  c.setCarry(carry);
  c.setOverflow(topBitsDiffer(c, result));
  return result;
}, 2);
