/**
 * What an instruction's semantics are written against: operations on abstract values, so that one definition serves the
 * direct evaluator (V is a number) and code generators (V stands for generated code).
 *
 * Values are 32 bits wide. Operands narrower than that are read zero-extended, and only their low bits are written.
 * Comparisons give 0 or 1. Semantics do everything that can fault before they change anything (the contexts rely on it
 * to restart instructions), and read state before they write it.
 */
import type { Gpr } from '../registers';

/** Bytes of an operand. */
export type OperandSize = 1 | 2 | 4;

/** Which segment a memory access of an implied operand goes through. */
export type MemoryRole =
  /** SS, with the stack's address size. */
  | 'stack'
  /** ES: string destinations, never overridden. */
  | 'extra'
  /** DS or the override prefix: string sources, XLAT. */
  | 'data';

export type RepeatKind = 'none' | 'rep' | 'repe' | 'repne';

export interface SemanticContext<V> {
  /** Operand size of the instruction. */
  readonly size: OperandSize;
  /** Bytes of addresses that string, loop and JCXZ instructions count and index with. */
  readonly addressSize: 2 | 4;
  readonly repeat: RepeatKind;

  constant(value: number): V;
  add(a: V, b: V): V;
  subtract(a: V, b: V): V;
  multiply(a: V, b: V): V;
  /** High 32 bits of the 64-bit product. */
  multiplyHigh(a: V, b: V, signed: boolean): V;
  /** Unsigned remainder; the divisor is a positive constant. */
  remainder(a: V, divisor: number): V;
  /**
   * Divides the double-width number high:low (each `size` bytes) by a divisor of `size` bytes; raises #DE when the
   * divisor is zero or the quotient does not fit.
   */
  divide(high: V, low: V, divisor: V, signed: boolean): { quotient: V; remainder: V };
  and(a: V, b: V): V;
  or(a: V, b: V): V;
  xor(a: V, b: V): V;
  /** Shift counts are taken modulo 32, as JavaScript and WebAssembly do. */
  shiftLeft(a: V, count: V): V;
  shiftRight(a: V, count: V): V;
  shiftRightSigned(a: V, count: V): V;
  rotateLeft(a: V, count: V): V;
  equal(a: V, b: V): V;
  below(a: V, b: V): V;
  isZero(a: V): V;
  select(condition: V, whenTrue: V, whenFalse: V): V;
  countTrailingZeros(a: V): V;
  countLeadingZeros(a: V): V;
  /** 1 when the low byte has an even number of ones. */
  evenParity(a: V): V;
  signExtend(a: V, from: OperandSize): V;
  zeroExtend(a: V, from: OperandSize): V;

  /** Runs `body` only when the condition is not zero. Values made inside must not be used outside. */
  when(condition: V, body: () => void): void;

  /** The value of an explicit operand. */
  read(operand: number): V;
  /** The value of an operand that `write` will change: memory is checked for writing first. */
  update(operand: number): V;
  write(operand: number, value: V): void;
  /** The offset that a memory operand addresses (LEA). */
  address(operand: number): V;
  /** Adds a byte offset to the memory operand before it is read (BT with a register bit offset). */
  displace(offset: V): void;
  /** True for a memory operand: known while code is generated. */
  isMemory(operand: number): boolean;

  gpr(register: Gpr, size: OperandSize): V;
  setGpr(register: Gpr, value: V, size: OperandSize): void;
  /** AH, for the instructions that imply it. */
  ah(): V;
  setAh(value: V): void;
  load(role: MemoryRole, offset: V, size: OperandSize): V;
  store(role: MemoryRole, offset: V, value: V, size: OperandSize): void;
  /** Faults as a store would. */
  checkStore(role: MemoryRole, offset: V, size: OperandSize): void;
  /** ESP or SP, by the stack segment's B bit; offsets wrap at that width. */
  stackPointer(): V;
  setStackPointer(value: V): void;
  /** EBP or BP by the stack segment's width. */
  framePointer(): V;

  carry(): V;
  zero(): V;
  sign(): V;
  overflow(): V;
  parity(): V;
  adjust(): V;
  setCarry(bit: V): void;
  setOverflow(bit: V): void;
  /** AF is bit 4 of the value. */
  setAdjust(value: V): void;
  /** ZF, SF and PF from a result of this width. */
  setResult(value: V, size: OperandSize): void;
  /** ZF alone: set when the value is zero. */
  setZero(value: V): void;
  /** EFLAGS without RF and VM, as PUSHF stores it. */
  flagsImage(): V;
  /** Sets SF, ZF, AF, PF and CF from an EFLAGS image (SAHF). */
  setLowFlags(image: V): void;
  /** DF, 0 or 1. */
  direction(): V;
  setDirection(value: 0 | 1): void;

  /** Raises an exception without error code when the condition holds. */
  raise(vector: number, condition: V): void;
  /** Offset of the following instruction. */
  nextIp(): V;
  /** Goes to an offset in CS after this instruction; checks the CS limit now. */
  jump(target: V): void;
  /** Goes to the instruction's own target when the condition holds; checks the CS limit now. */
  branch(condition: V): void;
  /** Executes this instruction again (the next iteration of a repeated one) when the condition holds. */
  again(condition: V): void;
  /** An immediate operand as a number; only where generated code may depend on it. */
  immediate(which: 0 | 1): number;
}

/** What one instruction does. */
export type Semantics = <V>(c: SemanticContext<V>) => void;
