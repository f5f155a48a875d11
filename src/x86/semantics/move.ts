/** Data transfer, address and flag instructions (Intel SDM 1, "Data Transfer Instructions", "Flag Control"). */
import { FLAG_AF, FLAG_CF, FLAG_PF, FLAG_SF, FLAG_ZF } from '../flags';
import { RAX, RBX } from '../registers';
import { conditionOf } from './conditions';
import type { SemanticContext, Semantics } from './context';

export function mov<V>(c: SemanticContext<V>): void {
  c.write(0, c.read(1));
}

/** MOVSX of a byte or word source, by the size of operand 1. */
export function signExtendFrom(size: 1 | 2): Semantics {
  return (c) => c.write(0, c.signExtend(c.read(1), size));
}

export function lea<V>(c: SemanticContext<V>): void {
  c.write(0, c.address(1));
}

export function xchg<V>(c: SemanticContext<V>): void {
  const first = c.update(0);
  const second = c.read(1);
  c.write(1, first);
  c.write(0, second);
}

export function xlat<V>(c: SemanticContext<V>): void {
  const offset = c.add(c.gpr(RBX, c.addressSize), c.gpr(RAX, 1));
  c.setGpr(RAX, c.load('data', offset, 1), 1);
}

/** SETcc and CMOVcc by condition number; CMOVcc reads its source in either case and may fault. */
export function setcc(condition: number): Semantics {
  return (c) => c.write(0, conditionOf(condition)(c));
}

export function cmovcc(condition: number): Semantics {
  return (c) => {
    const old = c.read(0);
    const source = c.read(1);
    c.write(0, c.select(conditionOf(condition)(c), source, old));
  };
}

export function clc<V>(c: SemanticContext<V>): void {
  c.setCarry(c.constant(0));
}

export function stc<V>(c: SemanticContext<V>): void {
  c.setCarry(c.constant(1));
}

export function cmc<V>(c: SemanticContext<V>): void {
  c.setCarry(c.xor(c.carry(), c.constant(1)));
}

export function cld<V>(c: SemanticContext<V>): void {
  c.setDirection(0);
}

export function std<V>(c: SemanticContext<V>): void {
  c.setDirection(1);
}

const LOW_FLAGS = FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF | FLAG_CF;

export function lahf<V>(c: SemanticContext<V>): void {
  c.setAh(c.or(c.and(c.flagsImage(), c.constant(LOW_FLAGS)), c.constant(2)));
}

export function sahf<V>(c: SemanticContext<V>): void {
  c.setLowFlags(c.ah());
}

/** NOP and the hint encodings; a memory operand is not touched. */
export function nop(): void {}
