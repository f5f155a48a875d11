/** Preprocessor directives of one line: definitions, assignments, strings, contexts and messages. */
import { rangeOf, rangeOfAll, SourceError, type SourceRange } from './diagnostics';
import type { MacroFrame } from './macro-frame';
import { type MacroTable, tokensAt, trimmed } from './macro-table';
import { stringBytes } from './numbers';
import { isSolid, type Token, textOf } from './tokens';

/** What a directive may do. */
export interface DirectiveHost {
  readonly table: MacroTable;
  readonly frame: MacroFrame | undefined;
  expand(tokens: readonly Token[]): readonly Token[];
  number(tokens: readonly Token[], at: Token): bigint;
  warn(message: string, range: SourceRange): void;
}

type Directive = (rest: readonly Token[], at: Token, host: DirectiveHost) => void;

function nameOf(rest: readonly Token[], at: Token): Token {
  const name = rest[0];
  if (name?.kind === 'word') return name;
  throw new SourceError(`${at.text} needs a name first.`, name ? rangeOf(name) : rangeOf(at));
}

function define(ignoreCase: boolean, atOnce: boolean): Directive {
  return (rest, at, host) => {
    const name = nameOf(rest, at);
    let parameters: string[] | undefined;
    let bodyStart = 1;
    if (rest[1]?.text === '(') {
      const close = rest.findIndex((token) => token.text === ')');
      if (close < 0) throw new SourceError('The parameter list has no ")".', rangeOf(rest[1]));
      parameters = rest
        .slice(2, close)
        .filter((token) => token.kind === 'word')
        .map((token) => token.text);
      bodyStart = close + 1;
    }
    const raw = trimmed(rest.slice(bodyStart));
    host.table.defineLine({
      name: name.text,
      parameters,
      body: atOnce ? host.expand(raw) : raw,
      ignoreCase,
      place: name,
    });
  };
}

function setText(name: Token, text: string, ignoreCase: boolean, host: DirectiveHost): void {
  host.table.defineLine({
    name: name.text,
    parameters: undefined,
    body: tokensAt(text, name),
    ignoreCase,
    place: name,
  });
}

function assign(ignoreCase: boolean): Directive {
  return (rest, at, host) => {
    const name = nameOf(rest, at);
    const value = host.number(host.expand(trimmed(rest.slice(1))), at);
    setText(name, value.toString(), ignoreCase, host);
  };
}

function quoted(text: string): string {
  if (!text.includes("'")) return `'${text}'`;
  return text.includes('"') ? `\`${text.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\`` : `"${text}"`;
}

function stringOf(token: Token | undefined, at: Token): string {
  if (token?.kind !== 'string')
    throw new SourceError(`${at.text} needs a string in quotes.`, token ? rangeOf(token) : rangeOf(at));
  return stringBytes(token.text)
    .map((byte) => String.fromCharCode(byte))
    .join('');
}

function message(throws: boolean): Directive {
  return (rest, at, host) => {
    const only = rest.filter(isSolid);
    const text = only.length === 1 && only[0]?.kind === 'string' ? only[0].text.slice(1, -1) : textOf(rest);
    const range = rangeOfAll(rest, rangeOf(at));
    if (throws) throw new SourceError(text === '' ? `${at.text} was reached.` : text, range);
    host.warn(text, range);
  };
}

const ignored: Directive = () => undefined;

/** By name without the percent sign. */
export const directives: Readonly<Record<string, Directive>> = {
  define: define(false, false),
  idefine: define(true, false),
  xdefine: define(false, true),
  ixdefine: define(true, true),
  undef: (rest, at, host) => host.table.undefineLine(nameOf(rest, at).text),
  assign: assign(false),
  iassign: assign(true),
  defstr: (rest, at, host) =>
    setText(nameOf(rest, at), quoted(textOf(host.expand(trimmed(rest.slice(1))))), false, host),
  deftok: (rest, at, host) => {
    const text = stringOf(host.expand(trimmed(rest.slice(1))).find(isSolid), at);
    setText(nameOf(rest, at), text, false, host);
  },
  strlen: (rest, at, host) => {
    const text = stringOf(host.expand(trimmed(rest.slice(1))).find(isSolid), at);
    setText(nameOf(rest, at), String(text.length), false, host);
  },
  strcat: (rest, at, host) => {
    const parts = host.expand(trimmed(rest.slice(1))).filter((token) => isSolid(token) && token.text !== ',');
    setText(nameOf(rest, at), quoted(parts.map((part) => stringOf(part, at)).join('')), false, host);
  },
  substr: (rest, at, host) => {
    const [text, ...numbers] = host.expand(trimmed(rest.slice(1))).filter(isSolid);
    const whole = stringOf(text, at);
    const comma = numbers.findIndex((token) => token.text === ',');
    const first = Number(host.number(comma < 0 ? numbers : numbers.slice(0, comma), at));
    const count = comma < 0 ? 1 : Number(host.number(numbers.slice(comma + 1), at));
    const end = count < 0 ? whole.length + count + 1 : first - 1 + count;
    setText(nameOf(rest, at), quoted(whole.slice(first - 1, end)), false, host);
  },
  unmacro: (rest, at, host) => {
    const count = rest.filter(isSolid)[1];
    host.table.undefineBlock(nameOf(rest, at).text, count ? Number.parseInt(count.text, 10) : undefined);
  },
  unimacro: (rest, at, host) => host.table.undefineBlock(nameOf(rest, at).text, undefined),
  push: (rest, _at, host) => host.table.pushContext(rest[0]?.text ?? ''),
  pop: (_rest, at, host) => {
    if (!host.table.contexts.pop())
      throw new SourceError('%pop has no context to close; open one with %push.', rangeOf(at));
  },
  repl: (rest, at, host) => {
    if (!host.table.contexts.pop())
      throw new SourceError('%repl has no context to rename; open one with %push.', rangeOf(at));
    host.table.pushContext(rest[0]?.text ?? '');
  },
  rotate: (rest, at, host) => {
    if (!host.frame) throw new SourceError('%rotate works inside a macro only.', rangeOf(at));
    const count = host.frame.args.length;
    if (count === 0) return;
    const by = Number(host.number(host.expand(rest), at));
    host.frame.rotation = (((host.frame.rotation + by) % count) + count) % count;
  },
  error: message(true),
  fatal: message(true),
  warning: message(false),
  note: ignored,
  line: ignored,
  pragma: ignored,
  depend: ignored,
  clear: ignored,
  use: (rest, at) => {
    throw new SourceError(
      `The macro package ${textOf(rest)} is not part of this assembler; remove the line.`,
      rangeOf(at),
    );
  },
};
