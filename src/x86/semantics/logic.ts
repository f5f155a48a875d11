/** Logical and bit instructions (Intel SDM 1, "Logical Instructions", "Bit and Byte Instructions"). */
import type { SemanticContext } from './context';
import { bits, logicFlags } from './flags';

export function and<V>(c: SemanticContext<V>): void {
  const result = c.and(c.update(0), c.read(1));
  logicFlags(c, result, c.size);
  c.write(0, result);
}

export function or<V>(c: SemanticContext<V>): void {
  const result = c.or(c.update(0), c.read(1));
  logicFlags(c, result, c.size);
  c.write(0, result);
}

export function xor<V>(c: SemanticContext<V>): void {
  const result = c.xor(c.update(0), c.read(1));
  logicFlags(c, result, c.size);
  c.write(0, result);
}

export function test<V>(c: SemanticContext<V>): void {
  logicFlags(c, c.and(c.read(0), c.read(1)), c.size);
}

export function not<V>(c: SemanticContext<V>): void {
  c.write(0, c.xor(c.update(0), c.constant(-1)));
}

/** The bit index inside the operand; a register index into memory also moves the address (SDM 2, "BT"). */
function bitIndex<V>(c: SemanticContext<V>, byRegister: boolean): V {
  const index = c.read(1);
  if (byRegister && c.isMemory(0)) {
    const wordShift = c.size === 4 ? 5 : 4;
    const word = c.shiftRightSigned(c.signExtend(index, c.size), c.constant(wordShift));
    c.displace(c.shiftLeft(word, c.constant(wordShift - 3)));
  }
  return c.and(index, c.constant(bits(c.size) - 1));
}

function bitOf<V>(c: SemanticContext<V>, value: V, index: V): V {
  return c.and(c.shiftRight(value, index), c.constant(1));
}

function changeBit(byRegister: boolean, change: <V>(c: SemanticContext<V>, value: V, mask: V) => V) {
  return <V>(c: SemanticContext<V>): void => {
    const index = bitIndex(c, byRegister);
    const value = c.update(0);
    c.setCarry(bitOf(c, value, index));
    c.write(0, change(c, value, c.shiftLeft(c.constant(1), index)));
  };
}

function testBit(byRegister: boolean) {
  return <V>(c: SemanticContext<V>): void => {
    const index = bitIndex(c, byRegister);
    c.setCarry(bitOf(c, c.read(0), index));
  };
}

const setBit = <V>(c: SemanticContext<V>, value: V, mask: V): V => c.or(value, mask);
const clearBit = <V>(c: SemanticContext<V>, value: V, mask: V): V => c.and(value, c.xor(mask, c.constant(-1)));
const flipBit = <V>(c: SemanticContext<V>, value: V, mask: V): V => c.xor(value, mask);

/** The forms with an immediate index never leave the operand; those with a register index may. */
export const bt = testBit(false);
export const bts = changeBit(false, setBit);
export const btr = changeBit(false, clearBit);
export const btc = changeBit(false, flipBit);
export const btByRegister = testBit(true);
export const btsByRegister = changeBit(true, setBit);
export const btrByRegister = changeBit(true, clearBit);
export const btcByRegister = changeBit(true, flipBit);

function scan(find: <V>(c: SemanticContext<V>, source: V) => V) {
  return <V>(c: SemanticContext<V>): void => {
    const source = c.read(1);
    const found = find(c, source);
    c.when(source, () => {
      logicFlags(c, found, c.size);
      c.write(0, found);
    });
    // A zero source leaves the destination alone, as processors do.
    c.setZero(source);
  };
}

export const bsf = scan((c, source) => c.countTrailingZeros(source));
export const bsr = scan((c, source) => c.xor(c.countLeadingZeros(source), c.constant(31)));

export function bswap<V>(c: SemanticContext<V>): void {
  const value = c.read(0);
  if (c.size === 2) {
    // Undefined by the manual; processors clear the register.
    c.write(0, c.constant(0));
    return;
  }
  const outer = c.and(c.rotateLeft(value, c.constant(8)), c.constant(0x00ff00ff));
  const inner = c.and(c.rotateLeft(value, c.constant(24)), c.constant(0xff00ff00 | 0));
  c.write(0, c.or(outer, inner));
}
