/** Expands single-line macros (`%define`) in the tokens of a line, with `%[...]` and `%+`. */
import { rangeOf, SourceError } from './diagnostics';
import { type LineMacro, type MacroTable, pasted, placed, tokensAt, trimmed } from './macro-table';
import type { Token } from './tokens';

/** Names that the preprocessor answers itself, such as `__LINE__`; undefined for others. */
export type Builtin = (name: string, at: Token) => string | undefined;

const deepest = 200;
/** Tokens that one line may grow to. */
const longest = 200_000;

export class LineExpander {
  readonly #table: MacroTable;
  readonly #builtin: Builtin;
  #made = 0;

  constructor(table: MacroTable, builtin: Builtin) {
    this.#table = table;
    this.#builtin = builtin;
  }

  /** The line with every macro replaced; throws {@link SourceError} when the replacement does not end. */
  expand(tokens: readonly Token[]): Token[] {
    this.#made = 0;
    const expanded = this.#expand(tokens, new Set(), 0);
    if (!expanded.some((token) => token.text === '%+')) return expanded;
    return this.#expand(joined(expanded), new Set(), 0);
  }

  #expand(tokens: readonly Token[], hidden: ReadonlySet<LineMacro>, depth: number): Token[] {
    const [first] = tokens;
    if (depth > deepest && first)
      throw new SourceError(
        `The macro "${first.text}" nests deeper than ${deepest} levels; it uses itself through another macro.`,
        rangeOf(first),
      );
    const result: Token[] = [];
    for (let at = 0; at < tokens.length; at++) {
      const token = tokens[at];
      if (!token) break;
      if (token.text === '%[') {
        const end = matching(tokens, at, '[', ']');
        result.push(...this.#expand(tokens.slice(at + 1, end), hidden, depth + 1));
        at = end;
        continue;
      }
      const use = token.kind === 'word' ? this.#use(tokens, at, token, hidden, depth) : undefined;
      if (!use) {
        result.push(token);
        continue;
      }
      this.#made += use.replacement.length;
      if (this.#made > longest) {
        throw new SourceError(
          `The macro "${token.text}" does not stop expanding; it uses itself through another macro.`,
          rangeOf(token),
        );
      }
      const inner = use.macro ? new Set([...hidden, use.macro]) : hidden;
      result.push(...this.#expand(use.replacement, inner, depth + 1));
      at = use.end;
    }
    return tokens.some((token) => token.text === '%[') ? pasted(result) : result;
  }

  /** The macro that the word at `at` uses, its text with parameters filled in, and the index of its last token. */
  #use(
    tokens: readonly Token[],
    at: number,
    token: Token,
    hidden: ReadonlySet<LineMacro>,
    depth: number,
  ):
    | { readonly macro: LineMacro | undefined; readonly replacement: readonly Token[]; readonly end: number }
    | undefined {
    const macros = this.#table.linesNamed(token.text).filter((macro) => !hidden.has(macro));
    if (macros.length === 0) {
      const text = token.text.startsWith('__') ? this.#builtin(token.text, token) : undefined;
      return text === undefined ? undefined : { macro: undefined, replacement: tokensAt(text, token), end: at };
    }
    let open = at + 1;
    while (tokens[open]?.kind === 'space') open++;
    if (tokens[open]?.text === '(') {
      const end = matching(tokens, open, '(', ')');
      const args = splitArguments(tokens.slice(open + 1, end)).map((arg) => this.#expand(arg, hidden, depth + 1));
      const macro =
        macros.find((one) => one.parameters?.length === args.length) ??
        macros.find((one) => one.parameters?.length === 0 && args.length === 1 && args[0]?.length === 0);
      if (macro && end < tokens.length) return { macro, replacement: filled(macro, args, token), end };
      const expected = macros.find((one) => one.parameters);
      if (expected && !macros.some((one) => one.parameters === undefined)) {
        throw new SourceError(
          `The macro "${token.text}" takes ${expected.parameters?.length ?? 0} arguments and gets ${args.length}.`,
          rangeOf(token),
        );
      }
    }
    const plain = macros.find((macro) => macro.parameters === undefined);
    return plain ? { macro: plain, replacement: plain.body.map((part) => placed(part, token)), end: at } : undefined;
  }
}

function filled(macro: LineMacro, args: readonly (readonly Token[])[], at: Token): Token[] {
  return macro.body.flatMap((part): readonly Token[] => {
    const index = part.kind === 'word' ? (macro.parameters?.indexOf(part.text) ?? -1) : -1;
    return index < 0 ? [placed(part, at)] : (args[index] ?? []);
  });
}

/** Index of the bracket that closes the one at `open`, or the number of tokens when none does. */
function matching(tokens: readonly Token[], open: number, opening: string, closing: string): number {
  let depth = 0;
  for (let at = open; at < tokens.length; at++) {
    const text = tokens[at]?.text;
    if (text === opening || text === `%${opening}`) depth++;
    else if (text === closing && --depth === 0) return at;
  }
  return tokens.length;
}

function splitArguments(tokens: readonly Token[]): (readonly Token[])[] {
  const args: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.kind === 'operator') {
      if ('([{'.includes(token.text)) depth++;
      else if (')]}'.includes(token.text)) depth--;
      else if (token.text === ',' && depth === 0) {
        args.push([]);
        continue;
      }
    }
    args[args.length - 1]?.push(token);
  }
  return args.map((arg) => unbraced(trimmed(arg)));
}

/** `{a, b}` as an argument means `a, b`. */
export function unbraced(tokens: readonly Token[]): readonly Token[] {
  return tokens[0]?.text === '{' && tokens[tokens.length - 1]?.text === '}' ? trimmed(tokens.slice(1, -1)) : tokens;
}

/** Carries out `%+`: the tokens on both sides become one. */
function joined(tokens: readonly Token[]): Token[] {
  const result: Token[] = [];
  let joining = false;
  for (const token of tokens) {
    if (token.text === '%+') {
      while (result[result.length - 1]?.kind === 'space') result.pop();
      joining = true;
    } else if (joining && token.kind === 'space') {
      // Spaces after %+ do not separate.
    } else if (joining) {
      joining = false;
      const last = result.pop();
      result.push(...(last ? tokensAt(last.text + token.text, last) : [token]));
    } else result.push(token);
  }
  return result;
}
