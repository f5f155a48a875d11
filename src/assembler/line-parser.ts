/** The one parser of a source line: label, prefixes, operation, operands; it keeps every token and never fails. */
import { isSolid, type Token, tokenize } from './tokens';
import { isOperation, isPrefix } from './vocabulary';

export interface ParsedLine {
  /** All tokens, spaces and comments included. */
  readonly tokens: readonly Token[];
  readonly label: Token | undefined;
  /** The colon after the label. */
  readonly colon: Token | undefined;
  /** The count of TIMES. */
  readonly times: { readonly keyword: Token; readonly count: readonly Token[] } | undefined;
  /** LOCK, REP, segment and size prefixes, in the order written. */
  readonly prefixes: readonly Token[];
  /** Mnemonic, directive, or a word in its place that is neither. */
  readonly operation: Token | undefined;
  /** Solid tokens of each operand; an empty list where nothing stands between two commas. */
  readonly operands: readonly (readonly Token[])[];
  /** The solid tokens after the operation, commas included. */
  readonly rest: readonly Token[];
  /** A directive in brackets, as in `[bits 32]`. */
  readonly bracketed: boolean;
}

const opening: ReadonlySet<string> = new Set(['(', '[', '{']);
const closing: ReadonlySet<string> = new Set([')', ']', '}']);

/** Splits solid tokens at the commas outside of any bracket. */
export function splitOperands(tokens: readonly Token[]): Token[][] {
  if (tokens.length === 0) return [];
  const operands: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.kind === 'operator') {
      if (opening.has(token.text)) depth++;
      else if (closing.has(token.text)) depth--;
      else if (token.text === ',' && depth === 0) {
        operands.push([]);
        continue;
      }
    }
    operands[operands.length - 1]?.push(token);
  }
  return operands;
}

/** Parses the tokens of one line, as written or as the preprocessor made them. */
export function parseLine(tokens: readonly Token[]): ParsedLine {
  const solid = tokens.filter(isSolid);
  const inner = bracketedDirective(solid);
  if (inner) return { ...parseStatement(tokens, inner, 0), label: undefined, colon: undefined, bracketed: true };
  let at = 0;
  let label: Token | undefined;
  let colon: Token | undefined;
  const first = solid[0];
  if (first?.kind === 'word' && isLabel(first, solid[1])) {
    label = first;
    at = 1;
    if (isColon(solid[1])) {
      colon = solid[1];
      at = 2;
    }
  }
  return { ...parseStatement(tokens, solid, at), label, colon, bracketed: false };
}

/** Parses the text of one line. */
export function parseText(text: string, file: string, line: number): ParsedLine {
  return parseLine(tokenize(text, file, line));
}

function isColon(token: Token | undefined): boolean {
  return token?.kind === 'operator' && token.text === ':';
}

function isLabel(first: Token, second: Token | undefined): boolean {
  if (isColon(second)) return !isPrefix(first.text);
  if (isOperation(first.text) || isPrefix(first.text)) return false;
  if (!second) return true;
  return second.kind === 'word' && (isOperation(second.text) || isPrefix(second.text));
}

function bracketedDirective(solid: readonly Token[]): readonly Token[] | undefined {
  const last = solid[solid.length - 1];
  if (solid[0]?.text !== '[' || solid[1]?.kind !== 'word' || last?.text !== ']') return undefined;
  return solid.slice(1, -1);
}

function parseStatement(tokens: readonly Token[], solid: readonly Token[], start: number): ParsedLine {
  let at = start;
  let times: ParsedLine['times'];
  const prefixes: Token[] = [];
  for (;;) {
    const token = solid[at];
    if (token?.kind !== 'word') break;
    const name = token.text.toLowerCase();
    if (name === 'times' && !times) {
      const end = timesEnd(solid, at + 1);
      times = { keyword: token, count: solid.slice(at + 1, end) };
      at = end;
    } else if (isPrefix(name)) {
      prefixes.push(token);
      at++;
    } else break;
  }
  const operation = solid[at];
  const rest = solid.slice(at + 1);
  return {
    tokens,
    label: undefined,
    colon: undefined,
    times,
    prefixes,
    operation,
    operands: splitOperands(rest),
    rest,
    bracketed: false,
  };
}

/** The count of TIMES ends where, outside of parentheses, an operation begins. */
function timesEnd(solid: readonly Token[], start: number): number {
  let depth = 0;
  for (let at = start; at < solid.length; at++) {
    const token = solid[at];
    if (token?.text === '(') depth++;
    else if (token?.text === ')') depth--;
    else if (depth === 0 && token?.kind === 'word' && (isOperation(token.text) || isPrefix(token.text))) return at;
  }
  return solid.length;
}
