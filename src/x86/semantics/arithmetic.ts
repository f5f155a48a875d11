/** Addition, subtraction, comparison and negation (Intel SDM 1, "Binary Arithmetic Instructions"). */
import type { SemanticContext } from './context';
import { addWithFlags, signBit, subtractWithFlags } from './flags';

export function add<V>(c: SemanticContext<V>): void {
  const a = c.update(0);
  c.write(0, addWithFlags(c, a, c.read(1), c.size));
}

export function adc<V>(c: SemanticContext<V>): void {
  const a = c.update(0);
  c.write(0, addWithFlags(c, a, c.read(1), c.size, c.carry()));
}

export function sub<V>(c: SemanticContext<V>): void {
  const a = c.update(0);
  c.write(0, subtractWithFlags(c, a, c.read(1), c.size));
}

export function sbb<V>(c: SemanticContext<V>): void {
  const a = c.update(0);
  c.write(0, subtractWithFlags(c, a, c.read(1), c.size, c.carry()));
}

export function cmp<V>(c: SemanticContext<V>): void {
  subtractWithFlags(c, c.read(0), c.read(1), c.size);
}

/** INC and DEC leave CF alone. */
export function inc<V>(c: SemanticContext<V>): void {
  const a = c.update(0);
  const result = c.zeroExtend(c.add(a, c.constant(1)), c.size);
  c.setOverflow(signBit(c, c.and(c.xor(a, result), result), c.size));
  c.setAdjust(c.xor(c.xor(a, result), c.constant(1)));
  c.setResult(result, c.size);
  c.write(0, result);
}

export function dec<V>(c: SemanticContext<V>): void {
  const a = c.update(0);
  const result = c.zeroExtend(c.subtract(a, c.constant(1)), c.size);
  c.setOverflow(signBit(c, c.and(c.xor(a, result), a), c.size));
  c.setAdjust(c.xor(c.xor(a, result), c.constant(1)));
  c.setResult(result, c.size);
  c.write(0, result);
}

export function neg<V>(c: SemanticContext<V>): void {
  const a = c.update(0);
  c.write(0, subtractWithFlags(c, c.constant(0), a, c.size));
}

export function xadd<V>(c: SemanticContext<V>): void {
  const a = c.update(0);
  const b = c.read(1);
  const sum = addWithFlags(c, a, b, c.size);
  // The destination is written last: with one register twice it must hold the sum.
  c.write(1, a);
  c.write(0, sum);
}

export function cmpxchg<V>(c: SemanticContext<V>): void {
  const destination = c.update(0);
  const source = c.read(1);
  const accumulator = c.gpr(0, c.size);
  subtractWithFlags(c, accumulator, destination, c.size);
  const same = c.equal(accumulator, destination);
  c.setGpr(0, c.select(same, accumulator, destination), c.size);
  // The bus cycle writes in either case; a destination in EAX is equal to itself and gets the source.
  c.write(0, c.select(same, source, destination));
}
