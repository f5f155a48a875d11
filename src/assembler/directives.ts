/** Directives of the assembler proper: code width, sections, origin, alignment, structures, included bytes. */
import type { Bitness } from '../x86/iced';
import { rangeOf, rangeOfAll, SourceError, type SourceRange } from './diagnostics';
import { type ParsedLine, parseLine } from './line-parser';
import { tokensAt } from './macro-table';
import { stringBytes } from './numbers';
import type { LineEntry } from './image';
import type { Section } from './sections';
import type { SourceFiles } from './source-files';
import type { SymbolTable } from './symbols';
import type { Token } from './tokens';
import { isScalar, scalar, type Value } from './values';

/** A STRUC or ISTRUC that waits for its end. */
export interface StructureState {
  readonly name: Token;
  readonly kind: 'struc' | 'istruc';
  /** Start of the structure: offset 0 of STRUC, the address of ISTRUC. */
  readonly start: Value;
  /** Said when the source ends too early. */
  readonly unfinished: string;
  readonly range: SourceRange;
  /** What STRUC interrupted. */
  readonly absoluteBefore: { offset: bigint } | undefined;
  readonly absoluteStartBefore: bigint;
}

/** The part of a pass that directives work on. */
export interface DirectiveSite {
  readonly symbols: SymbolTable;
  readonly files: SourceFiles;
  readonly needs: Set<string>;
  bits: Bitness;
  section: Section;
  absolute: { offset: bigint } | undefined;
  absoluteStart: bigint;
  defaultRelative: boolean;
  origin: number | undefined;
  structure: StructureState | undefined;
  enterSection(name: string, place: SourceRange): Section;
  position(): Value;
  evaluate(tokens: readonly Token[], fallback: SourceRange): Value;
  constant(tokens: readonly Token[], at: Token): bigint;
  warn(message: string, range: SourceRange): void;
  emit(bytes: Uint8Array, count: number, kind: LineEntry['kind'], operation: Token): void;
  reserve(count: number, operation: Token): void;
  statement(parsed: ParsedLine): void;
}

type Directive = (parsed: ParsedLine, operation: Token, site: DirectiveSite) => void;

function firstWord(parsed: ParsedLine, operation: Token, what: string): Token {
  const [first] = parsed.rest;
  if (first) return first;
  throw new SourceError(`"${operation.text}" needs ${what}.`, rangeOf(operation));
}

function setBits(value: bigint, at: SourceRange, site: DirectiveSite): void {
  if (value !== 16n && value !== 32n && value !== 64n)
    throw new SourceError(`"bits" takes 16, 32 or 64, not ${value}.`, at);
  site.bits = value === 16n ? 16 : value === 32n ? 32 : 64;
}

function powerOfTwo(value: bigint, range: SourceRange): number {
  if (value <= 0n || value > 1n << 30n || (value & (value - 1n)) !== 0n) {
    throw new SourceError(`An alignment is a power of two up to 2^30, not ${value}.`, range);
  }
  return Number(value);
}

const section: Directive = (parsed, operation, site) => {
  const name = firstWord(parsed, operation, 'the name of a section, such as .text, .data or .bss');
  site.absolute = undefined;
  const entered = site.enterSection(name.text, rangeOf(name));
  for (let at = 1; at < parsed.rest.length; ) {
    const word = parsed.rest[at];
    if (!word) break;
    const key = word.text.toLowerCase();
    if (parsed.rest[at + 1]?.text !== '=') {
      if (key === 'progbits' || key === 'nobits') entered.kind = key;
      at++;
      continue;
    }
    let end = at + 2;
    while (end < parsed.rest.length && parsed.rest[end + 1]?.text !== '=') end++;
    attribute(entered, key, parsed.rest.slice(at + 2, end), word, site);
    at = end;
  }
};

function attribute(entered: Section, key: string, value: readonly Token[], word: Token, site: DirectiveSite): void {
  const text = value.map((token) => token.text).join('');
  const number = () => site.constant(value, word);
  if (key === 'follows') entered.follows = text;
  else if (key === 'vfollows') entered.vfollows = text;
  else if (key === 'align' || key === 'valign') entered.align = powerOfTwo(number(), rangeOf(word));
  else if (key === 'start') {
    entered.start = Number(number());
    entered.align = undefined;
  } else if (key === 'vstart') entered.vstart = Number(number());
  else
    throw new SourceError(
      `A section of a flat binary has no attribute "${word.text}"; known are align, start, vstart, follows, vfollows, progbits and nobits.`,
      rangeOf(word),
    );
}

function paddingTo(align: number, site: DirectiveSite): number {
  const offset = site.absolute ? Number(site.absolute.offset - site.absoluteStart) : site.section.length;
  return (align - (offset % align)) % align;
}

function raiseAlignment(align: number, site: DirectiveSite): void {
  if (!site.absolute && (site.section.align ?? 1) < align) site.section.align = align;
}

const align: Directive = (parsed, operation, site) => {
  const [count = [], ...fill] = parsed.operands;
  const to = powerOfTwo(site.constant(count, operation), rangeOfAll(count, rangeOf(operation)));
  const padding = paddingTo(to, site);
  raiseAlignment(to, site);
  if (site.absolute || site.section.kind === 'nobits') {
    site.reserve(padding, operation);
    return;
  }
  if (fill.length === 0) {
    site.emit(Uint8Array.of(0x90), padding, 'code', operation);
    return;
  }
  const comma = parsed.rest.findIndex((token) => token.text === ',');
  const repeat = tokensAt(`times ${padding} `, operation);
  site.statement(parseLine([...repeat, ...spaced(parsed.rest.slice(comma + 1))]));
};

/** Solid tokens with a blank between any two. */
function spaced(tokens: readonly Token[]): Token[] {
  return tokens.flatMap((token, index): Token[] =>
    index === 0 ? [token] : [{ ...token, kind: 'space', text: ' ' }, token],
  );
}

const alignb: Directive = (parsed, operation, site) => {
  const [count = [], ...fill] = parsed.operands;
  if (fill.length > 0) {
    align(parsed, operation, site);
    return;
  }
  const to = powerOfTwo(site.constant(count, operation), rangeOfAll(count, rangeOf(operation)));
  const padding = paddingTo(to, site);
  raiseAlignment(to, site);
  site.reserve(padding, operation);
};

const struc: Directive = (parsed, operation, site) => {
  const name = firstWord(parsed, operation, 'the name of the structure');
  if (site.structure)
    throw new SourceError(
      'A structure cannot begin inside another one; close the first with endstruc.',
      rangeOf(operation),
    );
  const [, offset] = parsed.operands;
  const start = offset ? site.constant(offset, operation) : 0n;
  site.structure = {
    name,
    kind: 'struc',
    start: scalar(0n),
    unfinished: `The structure "${name.text}" has no endstruc.`,
    range: rangeOf(name),
    absoluteBefore: site.absolute,
    absoluteStartBefore: site.absoluteStart,
  };
  site.absolute = { offset: start };
  site.absoluteStart = start;
  site.symbols.define(name, scalar(start), 'equ');
};

const endstruc: Directive = (_parsed, operation, site) => {
  const { structure } = site;
  if (structure?.kind !== 'struc' || !site.absolute)
    throw new SourceError('"endstruc" has no struc before it.', rangeOf(operation));
  const size: Token = { ...structure.name, text: `${structure.name.text}_size`, width: structure.name.text.length };
  const length = site.absolute.offset - site.absoluteStart;
  site.absolute = structure.absoluteBefore;
  site.absoluteStart = structure.absoluteStartBefore;
  site.structure = undefined;
  site.symbols.define(size, scalar(length), 'equ');
};

const istruc: Directive = (parsed, operation, site) => {
  const name = firstWord(parsed, operation, 'the name of the structure');
  if (site.structure)
    throw new SourceError(
      'A structure cannot begin inside another one; close the first with iend.',
      rangeOf(operation),
    );
  site.structure = {
    name,
    kind: 'istruc',
    start: site.position(),
    unfinished: `The instance of "${name.text}" has no iend.`,
    range: rangeOf(name),
    absoluteBefore: site.absolute,
    absoluteStartBefore: site.absoluteStart,
  };
};

function padInstance(offset: bigint, operation: Token, range: SourceRange, site: DirectiveSite): void {
  const { structure } = site;
  if (structure?.kind !== 'istruc')
    throw new SourceError(`"${operation.text}" has no istruc before it.`, rangeOf(operation));
  const missing = offset - (site.position().n - structure.start.n);
  if (missing < 0n)
    throw new SourceError(
      `This field of "${structure.name.text}" lies ${-missing} bytes before the end of the one above; keep the order of the structure.`,
      range,
    );
  if (missing > 1n << 26n) throw new SourceError('The instance would be larger than 64 MiB.', range);
  site.emit(Uint8Array.of(0), Number(missing), 'data', operation);
}

const at: Directive = (parsed, operation, site) => {
  const [field = []] = parsed.operands;
  const value = site.evaluate(field, rangeOf(operation));
  const base = site.structure ? site.symbols.valueOf(site.structure.name) : scalar(0n);
  if (!isScalar(value))
    throw new SourceError('"at" needs the name of a field of the structure.', rangeOfAll(field, rangeOf(operation)));
  if (!value.unknown && !base.unknown)
    padInstance(value.n - base.n, operation, rangeOfAll(field, rangeOf(operation)), site);
  const comma = parsed.rest.findIndex((token) => token.text === ',');
  if (comma >= 0) site.statement(parseLine(spaced(parsed.rest.slice(comma + 1))));
};

const iend: Directive = (_parsed, operation, site) => {
  const name = site.structure?.name;
  if (!name) throw new SourceError('"iend" has no istruc before it.', rangeOf(operation));
  const size = site.symbols.valueOf({ ...name, text: `${name.text}_size` });
  if (!size.unknown) padInstance(size.n, operation, rangeOf(operation), site);
  site.structure = undefined;
};

const incbin: Directive = (parsed, operation, site) => {
  const [path, skip, limit] = parsed.operands;
  const name = path?.[0];
  if (name?.kind !== 'string')
    throw new SourceError('"incbin" needs a file name in quotes.', name ? rangeOf(name) : rangeOf(operation));
  const found = site.files.find(name.text.slice(1, -1), name.file);
  if ('needs' in found) {
    site.needs.add(found.needs);
    return;
  }
  if ('tried' in found)
    throw new SourceError(
      `The file ${name.text} does not exist; looked for ${found.tried.join(' and ')}.`,
      rangeOf(name),
    );
  const { content } = found;
  const bytes = typeof content === 'string' ? Uint8Array.from(stringBytes(`'${content}'`)) : content;
  const from = skip ? Number(site.constant(skip, operation)) : 0;
  const count = limit ? Number(site.constant(limit, operation)) : bytes.length;
  site.emit(bytes.slice(from, from + count), 1, 'data', operation);
};

const names: Directive = (parsed, _operation, site) => {
  for (const [name] of parsed.operands) if (name) site.symbols.globals.add(site.symbols.fullName(name.text));
};

const ignored: Directive = () => undefined;

const directives: Readonly<Record<string, Directive>> = {
  bits: (parsed, operation, site) =>
    setBits(site.constant(parsed.rest, operation), rangeOfAll(parsed.rest, rangeOf(operation)), site),
  use16: (_parsed, operation, site) => setBits(16n, rangeOf(operation), site),
  use32: (_parsed, operation, site) => setBits(32n, rangeOf(operation), site),
  org: (parsed, operation, site) => {
    const value = site.constant(parsed.rest, operation);
    if (site.origin !== undefined && BigInt(site.origin) !== value)
      throw new SourceError(
        'A program has one "org"; remove the others, or use sections with start=.',
        rangeOf(operation),
      );
    if (value < 0n || value > 0xffff_ffff_ffffn)
      throw new SourceError(
        `"org" takes an address between 0 and 2^48, not ${value}.`,
        rangeOfAll(parsed.rest, rangeOf(operation)),
      );
    site.origin = Number(value);
  },
  section,
  segment: section,
  absolute: (parsed, operation, site) => {
    const value = site.evaluate(parsed.rest, rangeOf(operation));
    site.absolute = { offset: value.n };
    site.absoluteStart = value.n;
  },
  default: (parsed, operation, site) => {
    const word = firstWord(parsed, operation, 'rel or abs');
    const key = word.text.toLowerCase();
    if (key === 'rel' || key === 'abs') site.defaultRelative = key === 'rel';
    else if (key !== 'bnd' && key !== 'nobnd') throw new SourceError('"default" takes rel or abs.', rangeOf(word));
  },
  align,
  alignb,
  sectalign: (parsed, operation, site) => {
    const [first] = parsed.rest;
    if (first?.text.toLowerCase() !== 'on' && first?.text.toLowerCase() !== 'off')
      raiseAlignment(powerOfTwo(site.constant(parsed.rest, operation), rangeOf(operation)), site);
  },
  struc,
  endstruc,
  istruc,
  at,
  iend,
  incbin,
  global: names,
  static: ignored,
  extern: ignored,
  required: ignored,
  common: (_parsed, operation) => {
    throw new SourceError('A flat binary has no common variables; reserve the space in .bss.', rangeOf(operation));
  },
  cpu: ignored,
  warning: ignored,
  float: ignored,
  list: ignored,
  map: ignored,
};

/** The directive of that name in any letter case; data directives, EQU and TIMES are part of the pass itself. */
export function directiveNamed(name: string): Directive | undefined {
  const lower = name.toLowerCase();
  return Object.hasOwn(directives, lower) ? directives[lower] : undefined;
}
