/** One pass over the source: lines to labels, bytes and line entries, with what the pass before knew about names used ahead. */
import type { Bitness } from '../x86/iced';
import { dataBytes } from './data';
import { type Diagnostic, rangeOf, rangeOfAll, type Severity, SourceError, type SourceRange } from './diagnostics';
import { directiveNamed, type DirectiveSite, type StructureState } from './directives';
import { evaluate, type ExpressionScope } from './expression';
import type { LineEntry, MacroDefinition } from './image';
import { assembleInstruction } from './instruction';
import { parseLine, type ParsedLine } from './line-parser';
import { type Operand, parseOperand } from './operands';
import { prefixesAlone } from './prefixes';
import { type ExpandedLine, Preprocessor } from './preprocessor';
import { SectionWriter } from './section-writer';
import { largestOutput, layOut, type Section } from './sections';
import type { SourceFiles } from './source-files';
import { operationSuggestion, SymbolTable } from './symbols';
import type { Token } from './tokens';
import { addressIn, hasRegisters, isScalar, scalar, type Value } from './values';
import { dataDirective, isMnemonic } from './vocabulary';

const mostDiagnostics = 500;
/** Copies that TIMES makes of a statement whose bytes depend on their address, each assembled by itself. */
const mostSingleCopies = 1 << 20;

/** What one pass leaves to the next. */
export interface PassResult {
  readonly symbols: SymbolTable;
  readonly sections: readonly Section[];
  readonly origin: number;
  readonly entries: readonly LineEntry[];
  readonly diagnostics: readonly Diagnostic[];
  /** Errors that a later pass must not forget: conditions on names that are defined further down. */
  readonly lasting: readonly Diagnostic[];
  readonly needs: ReadonlySet<string>;
  readonly macros: readonly MacroDefinition[];
  /** Code width at the first instruction. */
  readonly firstBits: Bitness;
}

export class Pass extends SectionWriter implements DirectiveSite {
  readonly symbols: SymbolTable;
  readonly scope: ExpressionScope;
  defaultRelative = false;
  origin: number | undefined;
  structure: StructureState | undefined;
  readonly files: SourceFiles;
  readonly needs = new Set<string>();
  readonly #main: string;
  readonly #diagnostics: Diagnostic[] = [];
  readonly #lasting: Diagnostic[] = [];
  readonly #preprocessor: Preprocessor;
  #firstBits: Bitness | undefined;
  /** `$` of the statement in work. */
  #here: Value = scalar(0n);

  constructor(files: SourceFiles, main: string, before: PassResult | undefined) {
    const { addresses, error } = placesBefore(before);
    super(addresses, { file: main, line: 1, column: 0, endColumn: 0 });
    if (error !== undefined) this.#catch(error, undefined);
    this.files = files;
    this.#main = main;
    const moved = before?.sections.map(({ name, number, address }): [number, number] => [
      number,
      (addresses.get(name) ?? 0) - address,
    ]);
    this.symbols = new SymbolTable(before?.symbols, new Map(moved));
    this.scope = {
      here: () => this.#here,
      sectionStart: () =>
        this.absolute ? scalar(this.absoluteStart) : addressIn(this.section.number, BigInt(this.section.address)),
      symbol: (token) => this.symbols.valueOf(token),
    };
    this.#preprocessor = new Preprocessor({
      files,
      builtin: (name, at) => this.#builtin(name, at),
      number: (tokens, at) => this.constant(tokens, at),
      report: (severity, message, range, line) => this.#report(severity, message, range, line),
      need: (key) => this.needs.add(key),
    });
  }

  run(content: string | Uint8Array): PassResult {
    try {
      for (const line of this.#preprocessor.file(this.#main, content)) this.#assembleLine(line);
    } catch (error) {
      this.#catch(error, undefined);
    }
    if (this.structure) this.#report('error', this.structure.unfinished, this.structure.range, undefined);
    return {
      symbols: this.symbols,
      sections: [...this.sections.values()],
      origin: this.origin ?? 0,
      entries: this.entries,
      diagnostics: this.#diagnostics,
      lasting: this.#lasting,
      needs: this.needs,
      macros: this.#preprocessor.table.seen,
      firstBits: this.#firstBits ?? this.bits,
    };
  }

  evaluate(tokens: readonly Token[], fallback: SourceRange): Value {
    return evaluate(tokens, this.scope, fallback);
  }

  /** A plain number that must be known when the line is reached. */
  constant(tokens: readonly Token[], at: Token): bigint {
    this.#here = this.position();
    const solid = tokens.filter((token) => token.kind !== 'space' && token.kind !== 'comment');
    const value = this.evaluate(solid, rangeOf(at));
    const range = rangeOfAll(solid, rangeOf(at));
    if (value.unknown) {
      const error = new SourceError(
        `The value after "${at.text}" must be known here, and a name in it is defined further down or nowhere; move its definition up.`,
        range,
      );
      this.#lasting.push(this.#diagnostic('error', error.message, range, this.line));
      throw error;
    }
    if (!isScalar(value)) {
      throw new SourceError(
        `"${at.text}" needs a plain number, and this is an address; subtract $$ or another label of the section.`,
        range,
      );
    }
    return value.n;
  }

  warn(message: string, range: SourceRange): void {
    this.#report('warning', message, range, this.line);
  }

  #assembleLine(line: ExpandedLine): void {
    this.line = line;
    this.#here = this.position();
    try {
      this.statement(parseLine(line.tokens));
    } catch (error) {
      this.#catch(error, line);
    }
  }

  /** Assembles one parsed statement at the current position. */
  statement(parsed: ParsedLine): void {
    this.#refuseStrayTokens(parsed);
    const { label, operation } = parsed;
    if (operation?.text.toLowerCase() === 'equ') {
      this.#equ(parsed, label, operation);
      return;
    }
    if (label) this.#label(parsed, label);
    if (parsed.times) {
      this.#times(parsed, parsed.times);
      return;
    }
    this.#operate(parsed, 1);
  }

  #refuseStrayTokens({ tokens, label, operation }: ParsedLine): void {
    const bad = tokens.find((token) => token.kind === 'bad');
    if (bad) {
      const text = /^['"`]/.test(bad.text)
        ? `The string has no closing ${bad.text[0]} on this line.`
        : `The character "${bad.text}" has no meaning here.`;
      throw new SourceError(text, rangeOf(bad));
    }
    const parameter = tokens.find((token) => token.kind === 'macro');
    if (parameter) {
      throw new SourceError(`"${parameter.text}" has a meaning inside a macro only.`, rangeOf(parameter));
    }
    if (operation && operation.kind !== 'word') {
      const what = label ? `after the label "${label.text}"` : 'at the start of the line';
      throw new SourceError(
        `Expected an instruction or a directive ${what}, not "${operation.text}".`,
        rangeOf(operation),
      );
    }
  }

  #label(parsed: ParsedLine, label: Token): void {
    if (!parsed.colon && !parsed.operation && parsed.prefixes.length === 0 && !parsed.times) {
      const near = operationSuggestion(label.text);
      this.warn(
        `"${label.text}" stands alone and is taken for a label; add a colon if it is one.${near}`,
        rangeOf(label),
      );
    }
    this.symbols.define(label, this.position(), 'label');
  }

  #equ({ rest }: ParsedLine, label: Token | undefined, operation: Token): void {
    if (!label) throw new SourceError('"equ" needs a name before it, as in "size equ 512".', rangeOf(operation));
    const value = this.evaluate(rest, rangeOf(operation));
    if (hasRegisters(value))
      throw new SourceError('"equ" names a number, not a register; use %define for that.', rangeOf(operation));
    this.symbols.define(label, value, 'equ');
  }

  #times(parsed: ParsedLine, times: NonNullable<ParsedLine['times']>): void {
    const value = this.evaluate(times.count, rangeOf(times.keyword));
    const range = rangeOfAll(times.count, rangeOf(times.keyword));
    if (!isScalar(value))
      throw new SourceError('"times" needs a plain number; subtract $$ from an address, as in 510-($-$$).', range);
    if (value.n < 0n) {
      throw new SourceError(
        `The count of "times" is ${value.n}: what stands before is ${-value.n} bytes too long.`,
        range,
      );
    }
    if (value.n > BigInt(largestOutput))
      throw new SourceError(`The count of "times" is ${value.n}; more than 64 MiB is refused.`, range);
    if (!value.unknown) this.#operate(parsed, Number(value.n));
  }

  #operate(parsed: ParsedLine, count: number): void {
    const { operation } = parsed;
    if (!operation) {
      const [prefix] = parsed.prefixes;
      if (prefix) this.emit(prefixesAlone(lowerTexts(parsed.prefixes), this.bits), count, 'code', prefix);
      else if (parsed.times)
        throw new SourceError('"times" needs an instruction or data to repeat.', rangeOf(parsed.times.keyword));
      return;
    }
    const data = dataDirective(operation.text);
    const directive = directiveNamed(operation.text);
    const usesHere = parsed.rest.some((token) => token.text === '$');
    if (directive) {
      refuseManyCopies(count, operation);
      for (let copy = 0; copy < count; copy++) directive(parsed, operation, this);
    } else if (data?.define) {
      if (usesHere) refuseManyCopies(count, operation);
      const copies = usesHere ? count : Math.min(count, 1);
      for (let copy = 0; copy < copies; copy++) {
        this.#here = this.position();
        const context = {
          scope: this.scope,
          range: rangeOf(operation),
          warn: (message: string, range: SourceRange) => this.warn(message, range),
        };
        this.emit(dataBytes(parsed.operands, data.size, context), usesHere ? 1 : count, 'data', operation);
      }
    } else if (data) this.#reserveItems(parsed, data.size, count, operation);
    else if (isMnemonic(operation.text)) this.#instructions(parsed, operation, count, usesHere);
    else throw unknownOperation(parsed, operation);
  }

  #reserveItems({ rest }: ParsedLine, size: number, count: number, operation: Token): void {
    const value = this.evaluate(rest, rangeOf(operation));
    const range = rangeOfAll(rest, rangeOf(operation));
    if (!isScalar(value)) throw new SourceError(`"${operation.text}" needs a plain number.`, range);
    const total = value.n * BigInt(size * count);
    if (total < 0n || total > 0xffff_ffffn)
      throw new SourceError(
        `"${operation.text} ${value.n}" reserves an impossible amount; between 0 bytes and 4 GiB can be reserved.`,
        range,
      );
    if (this.section.kind === 'progbits' && !this.absolute && total > 0n) {
      this.warn(
        `"${operation.text}" reserves space in "${this.section.name}", which is written to the file as zeros; put it into .bss to keep the file small.`,
        rangeOf(operation),
      );
    }
    this.reserve(Number(total), operation);
  }

  #instructions(parsed: ParsedLine, operation: Token, count: number, usesHere: boolean): void {
    const prefixes = lowerTexts(parsed.prefixes);
    const range = rangeOf(operation);
    for (let done = 0; done < count; ) {
      this.#here = this.position();
      const operands = parsed.operands.map((tokens): Operand => {
        if (tokens.length === 0) throw missingOperand(parsed, range);
        return parseOperand(tokens, this.scope);
      });
      const site = {
        bitness: this.bits,
        address: this.position().n,
        section: this.section.number,
        defaultRelative: this.defaultRelative,
      };
      const assembled = assembleInstruction({ mnemonic: operation.text, prefixes, operands, range }, site);
      for (const warning of assembled.warnings) this.warn(warning.message, warning.range);
      if (assembled.error) this.#report('error', assembled.error.message, assembled.error.range, this.line);
      const single = usesHere || assembled.dependsOnAddress;
      if (single) refuseManyCopies(count, operation);
      const copies = single ? 1 : count - done;
      this.#firstBits ??= this.bits;
      this.emit(assembled.bytes, copies, 'code', parsed.prefixes[0] ?? operation);
      done += copies;
    }
  }

  #builtin(name: string, at: Token): string | undefined {
    switch (name.replace(/^__\?(.*)\?__$/, '__$1__').toUpperCase()) {
      case '__LINE__':
        return String(at.line);
      case '__FILE__':
        return `'${at.file}'`;
      case '__BITS__':
        return String(this.bits);
      case '__OUTPUT_FORMAT__':
        return 'bin';
      case '__SECT__':
        return `[section ${this.section.name}]`;
      default:
        return undefined;
    }
  }

  #catch(error: unknown, line: ExpandedLine | undefined): void {
    if (!(error instanceof SourceError)) throw error;
    this.#report('error', error.message, error.range, line);
  }

  #report(
    severity: Severity,
    message: string,
    range: SourceRange,
    line: Pick<ExpandedLine, 'site' | 'macro'> | undefined,
  ): void {
    if (this.#diagnostics.length < mostDiagnostics)
      this.#diagnostics.push(this.#diagnostic(severity, message, range, line));
  }

  /** In a macro the trouble is shown where the macro is used, with the place in its body beside. */
  #diagnostic(
    severity: Severity,
    message: string,
    range: SourceRange,
    line: Pick<ExpandedLine, 'site' | 'macro'> | undefined,
  ): Diagnostic {
    const { site, macro } = line ?? {};
    if (!site || !macro || (range.file === site.file && range.line === site.line))
      return { severity, message, ...range };
    return { severity, message, ...site, inMacro: { ...range, macro: macro.name } };
  }
}

/** Section addresses as the previous pass's sizes lay them out, or why they cannot be. */
function placesBefore(before: PassResult | undefined): { addresses: ReadonlyMap<string, number>; error?: unknown } {
  try {
    const placed = before ? layOut(before.sections, before.origin) : [];
    return { addresses: new Map(placed.map(({ section, address }) => [section.name, address])) };
  } catch (error) {
    return { addresses: new Map(), error };
  }
}

function refuseManyCopies(count: number, operation: Token): void {
  if (count <= mostSingleCopies) return;
  throw new SourceError(
    `"times ${count}" repeats a statement that depends on its address; at most ${mostSingleCopies} such copies are made.`,
    rangeOf(operation),
  );
}

function missingOperand({ rest }: ParsedLine, fallback: SourceRange): SourceError {
  const comma = rest.findLast((token) => token.text === ',');
  return new SourceError(
    'An operand is missing between two commas or at the end of the line.',
    comma ? rangeOf(comma) : fallback,
  );
}

function lowerTexts(tokens: readonly Token[]): string[] {
  return tokens.map((token) => token.text.toLowerCase());
}

function unknownOperation(parsed: ParsedLine, operation: Token): SourceError {
  const { label, colon } = parsed;
  const word = label && !colon ? label : operation;
  const near = operationSuggestion(word.text);
  const hint = near === '' && parsed.rest[0]?.text === '=' ? ` To name a number write "${word.text} equ ...".` : near;
  return new SourceError(`"${word.text}" is not an instruction, a directive or a macro.${hint}`, rangeOf(word));
}
