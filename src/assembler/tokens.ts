/** Splits a line of NASM source into tokens without losing a character: joined together the texts give the line again. */

export type TokenKind =
  | 'space'
  | 'comment'
  /** A name: mnemonic, register, label, directive. */
  | 'word'
  | 'number'
  | 'string'
  /** An operator or separator, also `$` and `$$`. */
  | 'operator'
  /** A preprocessor token: `%define`, `%1`, `%%local`, `%$context`, `%{...}`, `%+`, `%[`. */
  | 'macro'
  /** A character that NASM has no use for, or a string without its closing quote. */
  | 'bad';

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Key of the file that the token was written in. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 0-based, in UTF-16 units as editors count. */
  readonly column: number;
  /** Width in the source where it differs from the text: a token that replaces the name of a macro has that name's place. */
  readonly width?: number;
}

const word = /(?:[A-Za-z_.@$]|\?(?=[A-Za-z0-9_$#@~.?]))[A-Za-z0-9_$#@~.?]*/y;
// Also floating-point numbers (1.5e-3), and the hexadecimal form $0ff.
const number = /\$[0-9][0-9A-Fa-f_]*|[0-9][0-9A-Za-z_]*(?:\.[0-9_]*(?:[eE][-+]?[0-9]+)?)?/y;
const macro =
  /%(?:\{[^}]*\}|[-+]?[0-9]+|%[A-Za-z_.?@$][A-Za-z0-9_$#@~.?]*|\$+[A-Za-z_.?@][A-Za-z0-9_$#@~.?]*|[A-Za-z_.@][A-Za-z0-9_$#@~.?]*|\?\??|\+|!\w*|\[)/y;
const operator = /<=>|<<<|>>>|<<|>>|<=|>=|==|!=|<>|&&|\|\||\^\^|\/\/|%%|\$\$|[-+*/%&|^~!<>=?:,()[\]{}$\\]/y;
const space = /[ \t\v\f\r\u00a0\ufeff]+/y;

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function stringEnd(text: string, start: number): number {
  const quote = text[start];
  let at = start + 1;
  while (at < text.length && text[at] !== quote) at += quote === '`' && text[at] === '\\' ? 2 : 1;
  return at;
}

/** The tokens of one line (without its line end). */
export function tokenize(text: string, file: string, line: number): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const push = (kind: TokenKind, piece: string) => {
    tokens.push({ kind, text: piece, file, line, column: at });
    at += piece.length;
  };
  while (at < text.length) {
    const character = text[at] ?? '';
    if (character === ';') {
      push('comment', text.slice(at));
    } else if (character === "'" || character === '"' || character === '`') {
      const end = stringEnd(text, at);
      if (end < text.length) push('string', text.slice(at, end + 1));
      else push('bad', text.slice(at));
    } else {
      const blank = match(space, text, at);
      if (blank !== undefined) push('space', blank);
      else pushSolid(text, at, push);
    }
  }
  return tokens;
}

function pushSolid(text: string, at: number, push: (kind: TokenKind, piece: string) => void): void {
  const asNumber = match(number, text, at);
  if (asNumber !== undefined) {
    push('number', asNumber);
    return;
  }
  const asMacro = text[at] === '%' ? match(macro, text, at) : undefined;
  if (asMacro !== undefined) {
    push('macro', asMacro);
    return;
  }
  const asOperator =
    text[at] === '$' && !/[A-Za-z_.?@]/.test(text[at + 1] ?? '') ? match(operator, text, at) : undefined;
  const asWord = asOperator === undefined ? match(word, text, at) : undefined;
  if (asWord !== undefined) {
    push('word', asWord);
    return;
  }
  const other = asOperator ?? match(operator, text, at);
  if (other !== undefined) push('operator', other);
  else push('bad', String.fromCodePoint(text.codePointAt(at) ?? 0));
}

/** Splits a file into lines; accepts LF, CRLF and CR. */
export function splitLines(text: string): string[] {
  return text.split(/\r\n|\n|\r/);
}

/** True for tokens that carry meaning. */
export function isSolid(token: Token): boolean {
  return token.kind !== 'space' && token.kind !== 'comment';
}

/** The source text of tokens, with the spaces among them. */
export function textOf(tokens: readonly Token[]): string {
  return tokens.map((token) => token.text).join('');
}

/** Column after the last character of the token. */
export function endColumn(token: Token): number {
  return token.column + (token.width ?? token.text.length);
}
