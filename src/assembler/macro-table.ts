/** The preprocessor's definitions: single-line macros, multi-line macros and contexts. */
import type { MacroDefinition } from './image';
import { endColumn, type Token, textOf, tokenize } from './tokens';

/** A `%define`. */
export interface LineMacro {
  readonly name: string;
  /** Absent for a macro that is used without parentheses. */
  readonly parameters: readonly string[] | undefined;
  readonly body: readonly Token[];
  readonly ignoreCase: boolean;
  readonly place: Token;
}

/** One line as the preprocessor handles it. */
export interface RawLine {
  readonly tokens: readonly Token[];
  readonly file: string;
  /** 1-based. */
  readonly line: number;
}

/** A `%macro`. */
export interface BlockMacro {
  readonly name: string;
  readonly ignoreCase: boolean;
  readonly fewest: number;
  /** Infinity for `*`. */
  readonly most: number;
  /** The last parameter takes all the rest, commas included. */
  readonly greedy: boolean;
  readonly defaults: readonly (readonly Token[])[];
  readonly body: readonly RawLine[];
  readonly place: Token;
}

export interface Context {
  readonly name: string;
  readonly id: number;
}

/** All definitions in force at one point of a pass. */
export class MacroTable {
  readonly #lines = new Map<string, LineMacro[]>();
  readonly #blocks = new Map<string, BlockMacro[]>();
  readonly contexts: Context[] = [];
  /** Everything ever defined in the pass, for the editor. */
  readonly seen: MacroDefinition[] = [];
  #nextContext = 1;

  defineLine(macro: LineMacro): void {
    const key = macro.name.toLowerCase();
    const others = (this.#lines.get(key) ?? []).filter((other) => !replaces(macro, other));
    others.push(macro);
    this.#lines.set(key, others);
    const parameters = macro.parameters ? `(${macro.parameters.join(', ')})` : '';
    this.#remember(macro.name, 'define', `${parameters} ${textOf(macro.body)}`.trim(), macro.place);
  }

  undefineLine(name: string): void {
    const key = name.toLowerCase();
    const rest = (this.#lines.get(key) ?? []).filter((macro) => !macro.ignoreCase && macro.name !== name);
    this.#lines.set(key, rest);
  }

  /** The macros of that name: several differ in their number of parameters. */
  linesNamed(name: string): readonly LineMacro[] {
    const all = this.#lines.get(name.toLowerCase());
    return all ? all.filter((macro) => macro.ignoreCase || macro.name === name) : [];
  }

  defineBlock(macro: BlockMacro): void {
    const key = macro.name.toLowerCase();
    const others = (this.#blocks.get(key) ?? []).filter(
      (other) => other.fewest !== macro.fewest || other.most !== macro.most,
    );
    others.push(macro);
    this.#blocks.set(key, others);
    const count =
      macro.fewest === macro.most
        ? `${macro.fewest}`
        : `${macro.fewest}-${Number.isFinite(macro.most) ? macro.most : '*'}`;
    this.#remember(macro.name, 'macro', `${count}${macro.greedy ? '+' : ''}`, macro.place);
  }

  undefineBlock(name: string, fewest: number | undefined): void {
    const key = name.toLowerCase();
    const rest = (this.#blocks.get(key) ?? []).filter((macro) => fewest !== undefined && macro.fewest !== fewest);
    this.#blocks.set(key, rest);
  }

  blocksNamed(name: string): readonly BlockMacro[] {
    const all = this.#blocks.get(name.toLowerCase());
    return all ? all.filter((macro) => macro.ignoreCase || macro.name === name) : [];
  }

  pushContext(name: string): void {
    this.contexts.push({ name, id: this.#nextContext++ });
  }

  #remember(name: string, kind: MacroDefinition['kind'], text: string, { file, line, column }: Token): void {
    // A macro of the assembler's own making (a context's local) has nothing to show.
    if (!name.startsWith('..@')) this.seen.push({ name, kind, text, file, line, column });
  }
}

function replaces(macro: LineMacro, other: LineMacro): boolean {
  const sameName = macro.ignoreCase || other.ignoreCase || macro.name === other.name;
  return sameName && macro.parameters?.length === other.parameters?.length;
}

/** Tokens of `text` that stand, for every message, at the place of `at`. */
export function tokensAt(text: string, at: Token): Token[] {
  return tokenize(text, at.file, at.line).map((token) => placed(token, at));
}

/** The token moved to the place of `at`. */
export function placed(token: Token, at: Token): Token {
  return {
    kind: token.kind,
    text: token.text,
    file: at.file,
    line: at.line,
    column: at.column,
    width: endColumn(at) - at.column,
  };
}

/** Without the spaces and comments at both ends. */
export function trimmed(tokens: readonly Token[]): readonly Token[] {
  let start = 0;
  let end = tokens.length;
  const blank = (token: Token | undefined) => token?.kind === 'space' || token?.kind === 'comment';
  while (start < end && blank(tokens[start])) start++;
  while (end > start && blank(tokens[end - 1])) end--;
  return tokens.slice(start, end);
}

/** Joins neighbours that no space separates where both are parts of a name or number, as `label%1` does. */
export function pasted(tokens: readonly Token[]): Token[] {
  const result: Token[] = [];
  for (const token of tokens) {
    const last = result[result.length - 1];
    if (last && isNamePart(last) && isNamePart(token)) result.splice(-1, 1, ...tokensAt(last.text + token.text, last));
    else result.push(token);
  }
  return result;
}

function isNamePart(token: Token): boolean {
  return token.kind === 'word' || token.kind === 'number';
}
