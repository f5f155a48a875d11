/** What the assembler has to say to a person: one sentence with its exact place and, where there is one, the fix. */
import { endColumn, type Token } from './tokens';

export type Severity = 'error' | 'warning';

/** A stretch of one source line. */
export interface SourceRange {
  /** Key of the file in the request. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 0-based, first character. */
  readonly column: number;
  /** 0-based, after the last character. */
  readonly endColumn: number;
}

export interface Diagnostic extends SourceRange {
  readonly severity: Severity;
  readonly message: string;
  /** Where in a macro body the trouble lies, when `line` is the place of the macro's use. */
  readonly inMacro?: SourceRange & { readonly macro: string };
}

/** Trouble at a place: thrown inside the assembler, caught line by line, never seen outside. */
export class SourceError extends Error {
  readonly range: SourceRange;

  constructor(message: string, range: SourceRange) {
    super(message);
    this.range = range;
  }
}

/** The range of one token. */
export function rangeOf(token: Token): SourceRange {
  return { file: token.file, line: token.line, column: token.column, endColumn: endColumn(token) };
}

/** The range from the first to the last token, as far as they stand on the first one's line. */
export function rangeOfAll(tokens: readonly Token[], fallback: SourceRange): SourceRange {
  const first = tokens[0];
  if (!first) return fallback;
  let end = endColumn(first);
  for (const token of tokens) {
    if (token.file === first.file && token.line === first.line) end = Math.max(end, endColumn(token));
  }
  return { file: first.file, line: first.line, column: first.column, endColumn: end };
}
