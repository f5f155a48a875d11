/** The symbols of one pass, with those of the pass before for names that are used ahead of their definition. */
import type { AssembledSymbol } from './image';
import { rangeOf, SourceError } from './diagnostics';
import { registerNames } from './register-names';
import type { Token } from './tokens';
import { sectionBase, unknownValue, type Value } from './values';
import { operationNames, suggestion } from './vocabulary';

interface SymbolRecord {
  readonly value: Value;
  readonly kind: AssembledSymbol['kind'];
  readonly place: Token;
}

function sameValue(a: Value, b: Value): boolean {
  if (a.n !== b.n || a.unknown !== b.unknown || a.terms.size !== b.terms.size) return false;
  for (const [key, factor] of a.terms) if (b.terms.get(key) !== factor) return false;
  return true;
}

/** Addresses follow their sections, so that distances stay those of the previous pass. */
function rebased(
  symbols: ReadonlyMap<string, SymbolRecord>,
  moved: ReadonlyMap<number, number>,
): ReadonlyMap<string, SymbolRecord> {
  if ([...moved.values()].every((by) => by === 0)) return symbols;
  const result = new Map<string, SymbolRecord>();
  for (const [name, record] of symbols) {
    let { n } = record.value;
    for (const [key, factor] of record.value.terms) n += factor * BigInt(moved.get(key - sectionBase) ?? 0);
    result.set(name, { ...record, value: { ...record.value, n } });
  }
  return result;
}

export class SymbolTable {
  readonly #now = new Map<string, SymbolRecord>();
  readonly #before: ReadonlyMap<string, SymbolRecord> | undefined;
  readonly globals = new Set<string>();
  /** The label that local labels belong to. */
  #parent = '';
  /** A value differs from the pass before. */
  changed = false;

  /**
   * @param before the table of the previous pass; undefined in the first
   * @param moved by how much each section (by number) has moved since that pass
   */
  constructor(before: SymbolTable | undefined, moved: ReadonlyMap<number, number>) {
    this.#before = before ? rebased(before.all, moved) : undefined;
  }

  get all(): ReadonlyMap<string, SymbolRecord> {
    return this.#now;
  }

  /** The full name that a word in the source stands for. */
  fullName(text: string): string {
    const plain = text.startsWith('$') ? text.slice(1) : text;
    return plain.startsWith('.') && !plain.startsWith('..') ? this.#parent + plain : plain;
  }

  define(token: Token, value: Value, kind: AssembledSymbol['kind']): void {
    const name = this.fullName(token.text);
    const first = this.#now.get(name);
    if (first) {
      const { file, line } = first.place;
      const where = file === token.file ? `in line ${line}` : `in ${file}, line ${line}`;
      throw new SourceError(
        `"${name}" is defined a second time; the first definition is ${where}. Rename one of them.`,
        rangeOf(token),
      );
    }
    const before = this.#before?.get(name);
    if (!before || !sameValue(before.value, value)) this.changed = true;
    this.#now.set(name, { value, kind, place: token });
    if (!name.includes('.') || (!token.text.startsWith('.') && !name.startsWith('..'))) this.#parent = name;
  }

  /** The value of a name: of this pass if defined already, else of the pass before; throws when it exists nowhere. */
  valueOf(token: Token): Value {
    const name = this.fullName(token.text);
    const record = this.#now.get(name) ?? this.#before?.get(name);
    if (record) return record.value;
    if (!this.#before) return unknownValue;
    throw new SourceError(this.#undefinedMessage(name, token), rangeOf(token));
  }

  #undefinedMessage(name: string, token: Token): string {
    const known = this.#before?.keys() ?? [];
    const near = suggestion(name, known) || suggestion(token.text, registerNames());
    if (token.text.startsWith('.') && !token.text.startsWith('..')) {
      const scope = this.#parent === '' ? 'before the first label' : `under the label "${this.#parent}"`;
      return `The local label "${token.text}" is not defined ${scope}.${near}`;
    }
    if (/^(offset|ptr)$/i.test(name)) return `NASM syntax has no "${name}"; remove the word.`;
    return `"${name}" is not defined; add a label or an equ with this name.${near}`;
  }

  /** All symbols as plain data, in the order of definition. */
  list(): AssembledSymbol[] {
    return [...this.#now]
      .filter(([, record]) => !record.value.unknown)
      .map(([name, { value, kind, place }]) => ({
        name,
        value: Number(value.n),
        kind,
        file: place.file,
        line: place.line,
        column: place.column,
        global: this.globals.has(name),
      }));
  }
}

/** ` Did you mean "x"?` for a word that stands where an operation should. */
export function operationSuggestion(word: string): string {
  return suggestion(word, operationNames());
}
