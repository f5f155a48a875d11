/** The values of expressions: a 64-bit number plus multiples of registers and of section starts, as NASM's linear forms. */

/** Keys of `terms`: a register's number as iced counts, or a section's number plus {@link sectionBase}. */
export type Terms = ReadonlyMap<number, bigint>;

export const sectionBase = 0x1000;

export interface Value {
  /** Signed 64-bit; for addresses the whole address as far as known. */
  readonly n: bigint;
  /** Registers and sections that the value depends on; empty for a plain number. */
  readonly terms: Terms;
  /** Depends on a symbol that is not defined yet in this pass. */
  readonly unknown: boolean;
}

const noTerms: Terms = new Map();

/** A plain number. */
export function scalar(n: bigint): Value {
  return { n: BigInt.asIntN(64, n), terms: noTerms, unknown: false };
}

/** Some number that a later pass will know. */
export const unknownValue: Value = { n: 0n, terms: noTerms, unknown: true };

/** An address in the section with this number. */
export function addressIn(section: number, n: bigint): Value {
  return { n, terms: new Map([[sectionBase + section, 1n]]), unknown: false };
}

/** One register. */
export function registerValue(register: number): Value {
  return { n: 0n, terms: new Map([[register, 1n]]), unknown: false };
}

/** A number that depends on nothing but itself. */
export function isScalar(value: Value): boolean {
  return value.terms.size === 0;
}

/** A number known in this pass. */
export function isKnownScalar(value: Value): boolean {
  return value.terms.size === 0 && !value.unknown;
}

export function hasRegisters(value: Value): boolean {
  for (const key of value.terms.keys()) if (key < sectionBase) return true;
  return false;
}

/** The section that an address lies in, when the value is exactly one address. */
export function sectionOf(value: Value): number | undefined {
  if (value.terms.size !== 1) return undefined;
  for (const [key, factor] of value.terms) if (key >= sectionBase && factor === 1n) return key - sectionBase;
  return undefined;
}

export function add(a: Value, b: Value): Value {
  const unknown = a.unknown || b.unknown;
  if (b.terms.size === 0) return { n: BigInt.asIntN(64, a.n + b.n), terms: a.terms, unknown };
  const terms = new Map(a.terms);
  for (const [key, factor] of b.terms) {
    const sum = (terms.get(key) ?? 0n) + factor;
    if (sum === 0n) terms.delete(key);
    else terms.set(key, sum);
  }
  return { n: BigInt.asIntN(64, a.n + b.n), terms, unknown };
}

export function multiply(a: Value, factor: bigint): Value {
  const terms = new Map<number, bigint>();
  if (factor !== 0n) for (const [key, value] of a.terms) terms.set(key, value * factor);
  return { n: BigInt.asIntN(64, a.n * factor), terms, unknown: a.unknown };
}

export function subtract(a: Value, b: Value): Value {
  return add(a, multiply(b, -1n));
}
