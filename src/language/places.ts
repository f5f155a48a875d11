/** Finds what stands at a place of a document: the token, and the full name of a local label. */
import type { Position, Range } from 'vscode-languageserver';
import { endColumn, parseText, splitLines, textOfFile, type Token, tokenize } from '../assembler';

/** A line as LSP counts it: from 0, where the assembler counts from 1. */
export function toRange(place: { readonly line: number; readonly column: number; readonly endColumn: number }): Range {
  return {
    start: { line: place.line - 1, character: place.column },
    end: { line: place.line - 1, character: place.endColumn },
  };
}

export function rangeOfToken(token: Token): Range {
  return toRange({ line: token.line, column: token.column, endColumn: endColumn(token) });
}

export interface Place {
  readonly token: Token;
  /** All tokens of the line. */
  readonly line: readonly Token[];
  /** The name to look up: local labels with the label that they belong to. */
  readonly name: string;
}

/**
 * The token at or just before the position; undefined between tokens.
 * @param isMacro tells the use of a macro from a label without a colon
 */
export function placeAt(
  content: string | Uint8Array,
  uri: string,
  { line, character }: Position,
  isMacro: (name: string) => boolean,
): Place | undefined {
  const lines = splitLines(textOfFile(content));
  const tokens = tokenize(lines[line] ?? '', uri, line + 1);
  const touching = tokens.filter(
    (token) =>
      token.kind !== 'space' && token.kind !== 'comment' && token.column <= character && character <= endColumn(token),
  );
  const token = touching.find(({ kind }) => kind === 'word' || kind === 'macro') ?? touching[0];
  if (!token) return undefined;
  const plain = token.text.startsWith('$') ? token.text.slice(1) : token.text;
  const isLocal = plain.startsWith('.') && !plain.startsWith('..');
  return { token, line: tokens, name: isLocal ? parentLabel(lines, line, isMacro) + plain : plain };
}

/** The nearest label above (or on) the line that is not local itself. */
function parentLabel(lines: readonly string[], from: number, isMacro: (name: string) => boolean): string {
  for (let line = from; line >= 0; line--) {
    const text = lines[line] ?? '';
    // Only a line with something in its first columns or a colon can hold a label; the rest need no parsing.
    if (!/^\s*[A-Za-z_@?$]/.test(text)) continue;
    const { label, colon } = parseText(text, '', line + 1);
    if (label && !label.text.startsWith('.') && (colon || !isMacro(label.text))) return label.text.replace(/^\$/, '');
  }
  return '';
}
