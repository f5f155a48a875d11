/** String instructions, one iteration at a time (Intel SDM 1, "String Instructions"; SDM 2, "REP"). */
import { RAX, RCX, RDI, RSI } from '../registers';
import type { SemanticContext, Semantics } from './context';
import { subtractWithFlags } from './flags';

/**
 * Wraps one iteration: a repeated instruction with a zero count does nothing, and otherwise goes on while the count is
 * not zero (and, for comparisons, ZF is as the prefix wants it).
 */
function repeated(compares: boolean, iteration: <V>(c: SemanticContext<V>) => void): Semantics {
  return (c) => {
    if (c.repeat === 'none') {
      iteration(c);
      return;
    }
    const count = c.gpr(RCX, c.addressSize);
    c.when(count, () => {
      iteration(c);
      const left = c.zeroExtend(c.subtract(count, c.constant(1)), c.addressSize);
      c.setGpr(RCX, left, c.addressSize);
      const more = c.isZero(c.isZero(left));
      if (!compares) c.again(more);
      else {
        const zero = c.zero();
        c.again(c.and(more, c.repeat === 'repne' ? c.xor(zero, c.constant(1)) : zero));
      }
    });
  };
}

/** Moves an index register by one element, up or down as DF says. */
function advance<V>(c: SemanticContext<V>, register: number, from: V): void {
  const step = c.select(c.direction(), c.constant(-c.size), c.constant(c.size));
  c.setGpr(register, c.add(from, step), c.addressSize);
}

export const movs = repeated(false, (c) => {
  const source = c.gpr(RSI, c.addressSize);
  const destination = c.gpr(RDI, c.addressSize);
  c.store('extra', destination, c.load('data', source, c.size), c.size);
  advance(c, RSI, source);
  advance(c, RDI, destination);
});

export const stos = repeated(false, (c) => {
  const destination = c.gpr(RDI, c.addressSize);
  c.store('extra', destination, c.gpr(RAX, c.size), c.size);
  advance(c, RDI, destination);
});

export const lods = repeated(false, (c) => {
  const source = c.gpr(RSI, c.addressSize);
  c.setGpr(RAX, c.load('data', source, c.size), c.size);
  advance(c, RSI, source);
});

export const scas = repeated(true, (c) => {
  const destination = c.gpr(RDI, c.addressSize);
  subtractWithFlags(c, c.gpr(RAX, c.size), c.load('extra', destination, c.size), c.size);
  advance(c, RDI, destination);
});

export const cmps = repeated(true, (c) => {
  const source = c.gpr(RSI, c.addressSize);
  const destination = c.gpr(RDI, c.addressSize);
  const first = c.load('data', source, c.size);
  subtractWithFlags(c, first, c.load('extra', destination, c.size), c.size);
  advance(c, RSI, source);
  advance(c, RDI, destination);
});
