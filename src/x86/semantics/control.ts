/** Near jumps, calls, returns and loops (Intel SDM 1, "Control Transfer Instructions"). */
import { RCX } from '../registers';
import { conditionOf } from './conditions';
import type { SemanticContext, Semantics } from './context';
import { pushValue } from './stack';

export function jmp<V>(c: SemanticContext<V>): void {
  c.branch(c.constant(1));
}

export function jmpIndirect<V>(c: SemanticContext<V>): void {
  c.jump(c.read(0));
}

export function jcc(condition: number): Semantics {
  return (c) => c.branch(conditionOf(condition)(c));
}

export function call<V>(c: SemanticContext<V>): void {
  c.branch(c.constant(1));
  pushValue(c, c.nextIp());
}

export function callIndirect<V>(c: SemanticContext<V>): void {
  c.jump(c.read(0));
  pushValue(c, c.nextIp());
}

export function ret<V>(c: SemanticContext<V>): void {
  returnAndRelease(c, c.constant(0));
}

export function retImmediate<V>(c: SemanticContext<V>): void {
  returnAndRelease(c, c.read(0));
}

function returnAndRelease<V>(c: SemanticContext<V>, release: V): void {
  const top = c.stackPointer();
  const target = c.load('stack', top, c.size);
  c.jump(target);
  c.setStackPointer(c.add(c.add(top, c.constant(c.size)), release));
}

export function jcxz<V>(c: SemanticContext<V>): void {
  c.branch(c.isZero(c.gpr(RCX, c.addressSize)));
}

function loopWhile(condition: <V>(c: SemanticContext<V>) => V): Semantics {
  return (c) => {
    const left = c.zeroExtend(c.subtract(c.gpr(RCX, c.addressSize), c.constant(1)), c.addressSize);
    c.branch(c.and(c.isZero(c.isZero(left)), condition(c)));
    c.setGpr(RCX, left, c.addressSize);
  };
}

export const loop = loopWhile((c) => c.constant(1));
export const loope = loopWhile((c) => c.zero());
export const loopne = loopWhile((c) => c.xor(c.zero(), c.constant(1)));
