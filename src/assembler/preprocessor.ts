/** NASM's preprocessor ("The NASM Preprocessor", chapter 4 of its manual): from source lines to expanded lines, one pass at a time. */
import { ConditionStack, type ConditionScope } from './conditions';
import { rangeOf, rangeOfAll, SourceError, type SourceRange } from './diagnostics';
import { type Builtin, LineExpander } from './line-macros';
import { argumentsOf, fitArguments, type MacroFrame, substitute } from './macro-frame';
import { type BlockMacro, MacroTable, type RawLine, trimmed } from './macro-table';
import { directives, type DirectiveHost } from './preprocessor-directives';
import type { SourceFiles } from './source-files';
import { isSolid, type Token, textOf } from './tokens';
import { isOperation } from './vocabulary';

/** A line ready for the assembler. */
export interface ExpandedLine {
  readonly tokens: readonly Token[];
  /** The outermost statement: where a macro is used, not where its body stands. */
  readonly site: SourceRange;
  /** The innermost macro and the line of its body. */
  readonly macro: { readonly name: string; readonly file: string; readonly line: number } | undefined;
}

/** What the preprocessor asks of the pass that reads its lines. */
export interface PassServices {
  readonly files: SourceFiles;
  readonly builtin: Builtin;
  /** Evaluates an expression that must be a known plain number. */
  number(tokens: readonly Token[], at: Token): bigint;
  report(
    severity: 'error' | 'warning',
    message: string,
    range: SourceRange,
    line: Pick<ExpandedLine, 'site' | 'macro'>,
  ): void;
  need(key: string): void;
}

/** Lines per pass; a source that makes more is taken for endless. */
const mostLines = 4_000_000;
const mostRepetitions = 1_000_000;
const deepestNesting = 200;

type Exit = 'rep' | 'macro' | undefined;
type Lines = Generator<ExpandedLine, Exit>;

interface Surroundings {
  readonly frame: MacroFrame | undefined;
  readonly site: SourceRange | undefined;
  readonly depth: number;
}

export class Preprocessor {
  readonly table = new MacroTable();
  readonly #services: PassServices;
  readonly #expander: LineExpander;
  #lines = 0;
  #nextFrame = 1;
  /** The place of the line in work, for messages. */
  #now: Pick<ExpandedLine, 'site' | 'macro'> = {
    site: { file: '', line: 1, column: 0, endColumn: 0 },
    macro: undefined,
  };

  constructor(services: PassServices) {
    this.#services = services;
    this.#expander = new LineExpander(this.table, services.builtin);
  }

  /** The expanded lines of the file; the caller may evaluate `$` between two of them. */
  *file(key: string, content: string | Uint8Array): Generator<ExpandedLine> {
    yield* this.#run(this.#services.files.lines(key, content), { frame: undefined, site: undefined, depth: 0 });
  }

  *#run(lines: readonly RawLine[], around: Surroundings): Lines {
    const conditions = new ConditionStack();
    let at = 0;
    while (at < lines.length) {
      const line = lines[at];
      if (!line) break;
      at++;
      if (++this.#lines > mostLines)
        throw new SourceError(
          `The source expands to more than ${mostLines} lines; look for an endless macro.`,
          this.#now.site,
        );
      this.#now = this.#place(line, around);
      const first = line.tokens.find(isSolid);
      const name = first?.kind === 'macro' ? first.text.slice(1).toLowerCase() : undefined;
      if (first && name !== undefined) {
        const step = yield* this.#directive(name, first, lines, at, conditions, around);
        if (step.exit) return step.exit;
        at = step.next;
        if (step.handled) continue;
      }
      if (!conditions.active) continue;
      const exit = yield* this.#plain(line, around);
      if (exit) return exit;
    }
    const open = conditions.unfinished;
    if (open) this.#report(new SourceError(`${open.text} has no %endif.`, rangeOf(open)));
    return undefined;
  }

  #place(line: RawLine, { frame, site }: Surroundings): Pick<ExpandedLine, 'site' | 'macro'> {
    if (site && frame) return { site, macro: { name: frame.macro.name, file: line.file, line: line.line } };
    const solid = line.tokens.filter(isSolid);
    return { site: rangeOfAll(solid, { file: line.file, line: line.line, column: 0, endColumn: 0 }), macro: undefined };
  }

  *#directive(
    name: string,
    at: Token,
    lines: readonly RawLine[],
    next: number,
    conditions: ConditionStack,
    around: Surroundings,
  ): Generator<ExpandedLine, { readonly next: number; readonly handled: boolean; readonly exit?: Exit }> {
    const line = lines[next - 1];
    const rest = line ? line.tokens.slice(line.tokens.indexOf(at) + 1) : [];
    const done = (to = next) => ({ next: to, handled: true });
    try {
      const filled = () => substitute(withoutComment(rest), around.frame, this.table.contexts);
      if (/^(el)?if|^else$|^endif$/.test(name)) {
        const isTested = conditions.active || name.startsWith('el');
        if (conditions.handle(name, at, isTested ? filled() : [], this.#conditionScope())) return done();
      }
      if (!conditions.active) return done();
      switch (name) {
        case 'macro':
        case 'imacro':
        case 'rmacro':
        case 'irmacro': {
          const end = blockEnd(lines, next, at, ['macro', 'imacro', 'rmacro', 'irmacro'], ['endmacro', 'endm']);
          this.#defineBlock(name.startsWith('i'), at, filled(), lines.slice(next, end));
          return done(end + 1);
        }
        case 'rep': {
          const end = blockEnd(lines, next, at, ['rep'], ['endrep']);
          const exit = yield* this.#repeat(at, filled(), lines.slice(next, end), around);
          return exit ? { next: end + 1, handled: true, exit } : done(end + 1);
        }
        case 'comment':
          return done(blockEnd(lines, next, at, ['comment'], ['endcomment']) + 1);
        case 'exitrep':
          return { next, handled: true, exit: 'rep' };
        case 'exitmacro':
          return { next, handled: true, exit: 'macro' };
        case 'include': {
          const exit = yield* this.#include(at, filled(), around);
          return exit ? { next, handled: true, exit } : done();
        }
      }
      const directive = directives[name];
      if (directive) {
        directive(trimmed(filled()), at, this.#host(around.frame));
        return done();
      }
      if (/^[a-z]/.test(name)) {
        throw new SourceError(`"${at.text}" is not a preprocessor directive of this assembler.`, rangeOf(at));
      }
      return { next, handled: false };
    } catch (error) {
      this.#report(error);
      return done();
    }
  }

  *#plain(line: RawLine, around: Surroundings): Lines {
    let tokens: readonly Token[];
    try {
      const own = substitute(line.tokens, around.frame, this.table.contexts);
      const use = this.#blockUse(own);
      if (use) return yield* this.#invoke(use.macros, own, use.at, around);
      tokens = this.#expander.expand(own);
      // A %define may stand for a macro with a body.
      const late = tokens === own ? undefined : this.#blockUse(tokens);
      if (late) return yield* this.#invoke(late.macros, tokens, late.at, around);
    } catch (error) {
      this.#report(error);
      return undefined;
    }
    yield { tokens, ...this.#now };
    return undefined;
  }

  /** Finds the use of a multi-line macro: the first word, or the word after a label. */
  #blockUse(tokens: readonly Token[]): { readonly macros: readonly BlockMacro[]; readonly at: number } | undefined {
    const first = tokens.findIndex(isSolid);
    const name = tokens[first];
    if (name?.kind !== 'word') return undefined;
    const macros = this.table.blocksNamed(name.text);
    if (macros.length > 0) return { macros, at: first };
    if (isOperation(name.text)) return undefined;
    let second = tokens.findIndex((token, index) => index > first && isSolid(token));
    if (tokens[second]?.text === ':') second = tokens.findIndex((token, index) => index > second && isSolid(token));
    const other = tokens[second];
    const after = other?.kind === 'word' ? this.table.blocksNamed(other.text) : [];
    return after.length > 0 ? { macros: after, at: second } : undefined;
  }

  *#invoke(macros: readonly BlockMacro[], tokens: readonly Token[], at: number, around: Surroundings): Lines {
    const use = tokens[at];
    if (!use) return undefined;
    if (around.depth >= deepestNesting) {
      throw new SourceError(
        `The macro "${use.text}" uses itself more than ${deepestNesting} levels deep; give it an end with %if.`,
        rangeOf(use),
      );
    }
    const given = argumentsOf(this.#expander.expand(withoutComment(tokens.slice(at + 1))));
    let args: (readonly Token[])[] | undefined;
    const macro = macros.find((one) => {
      args = fitArguments(one, given);
      return args !== undefined;
    });
    if (!macro || !args) {
      if (isOperation(use.text)) {
        yield { tokens: this.#expander.expand(tokens), ...this.#now };
        return undefined;
      }
      const counts = macros.map((one) => parameterText(one)).join(' or ');
      throw new SourceError(
        `The macro "${use.text}" takes ${counts} arguments and gets ${given.length}.`,
        rangeOf(use),
      );
    }
    const label = tokens.slice(0, at);
    const usesLabel = macro.body.some((line) =>
      line.tokens.some((token) => token.text === '%00' || token.text === '%{00}'),
    );
    if (label.some(isSolid) && !usesLabel) yield { tokens: this.#expander.expand(label), ...this.#now };
    const frame: MacroFrame = {
      macro,
      args,
      id: this.#nextFrame++,
      label: trimmed(label).filter(isSolid).slice(0, 1),
      use,
      rotation: 0,
    };
    const site = around.site ?? this.#now.site;
    const exit = yield* this.#run(macro.body, { frame, site, depth: around.depth + 1 });
    return exit === 'rep' ? exit : undefined;
  }

  *#repeat(at: Token, count: readonly Token[], body: readonly RawLine[], around: Surroundings): Lines {
    const times = this.#services.number(this.#expander.expand(count), at);
    if (times > BigInt(mostRepetitions)) {
      throw new SourceError(
        `%rep ${times} repeats more than ${mostRepetitions} times; use "times" for data.`,
        rangeOf(at),
      );
    }
    for (let index = 0n; index < times; index++) {
      const exit = yield* this.#run(body, around);
      if (exit === 'rep') return undefined;
      if (exit) return exit;
    }
    return undefined;
  }

  *#include(at: Token, rest: readonly Token[], around: Surroundings): Lines {
    if (around.depth >= deepestNesting)
      throw new SourceError('Files include one another without end; guard them with %ifndef.', rangeOf(at));
    const path = this.#expander.expand(rest).find(isSolid);
    if (path?.kind !== 'string')
      throw new SourceError('%include needs a file name in quotes.', path ? rangeOf(path) : rangeOf(at));
    const found = this.#services.files.find(path.text.slice(1, -1), at.file);
    if ('needs' in found) {
      this.#services.need(found.needs);
      return undefined;
    }
    if ('tried' in found) {
      throw new SourceError(
        `The included file ${path.text} does not exist; looked for ${found.tried.join(' and ')}.`,
        rangeOf(path),
      );
    }
    const lines = this.#services.files.lines(found.key, found.content);
    return yield* this.#run(lines, { ...around, frame: undefined, site: undefined, depth: around.depth + 1 });
  }

  #defineBlock(ignoreCase: boolean, at: Token, header: readonly Token[], body: readonly RawLine[]): void {
    const solid = trimmed(header);
    const name = solid[0];
    if (name?.kind !== 'word')
      throw new SourceError(`${at.text} needs a name and a number of parameters, as in "%macro outb 2".`, rangeOf(at));
    const counts = trimmed(solid.slice(1));
    const gap = counts.findIndex((token) => token.kind === 'space');
    const countTokens = gap < 0 ? counts : counts.slice(0, gap);
    const text = /^(\d+)(?:-(\d+|\*))?(\+?)/.exec(textOf(countTokens));
    if (!text) {
      throw new SourceError(
        `The macro "${name.text}" lacks its number of parameters; write "%macro ${name.text} 0" for none.`,
        rangeOf(name),
      );
    }
    const fewest = Number(text[1]);
    const most = text[2] === undefined ? fewest : text[2] === '*' ? Number.POSITIVE_INFINITY : Number(text[2]);
    const defaults = argumentsOf(counts.slice(countTokens.length).filter((token) => token.text !== '.nolist'));
    const greedy = text[3] === '+';
    this.table.defineBlock({ name: name.text, ignoreCase, fewest, most, greedy, defaults, body, place: name });
  }

  #conditionScope(): ConditionScope {
    return {
      expand: (tokens) => this.#expander.expand(tokens),
      number: (tokens, at) => this.#services.number(tokens, at),
      isDefined: (name) => this.table.linesNamed(name).length > 0,
      isBlockMacro: (name, count) =>
        this.table
          .blocksNamed(name)
          .some((macro) => count === undefined || (count >= macro.fewest && count <= macro.most)),
      isContext: (name) => this.table.contexts[this.table.contexts.length - 1]?.name === name,
    };
  }

  #host(frame: MacroFrame | undefined): DirectiveHost {
    return {
      table: this.table,
      frame,
      expand: (tokens) => this.#expander.expand(tokens),
      number: (tokens, at) => this.#services.number(tokens, at),
      warn: (message, range) => this.#services.report('warning', message, range, this.#now),
    };
  }

  #report(error: unknown): void {
    if (!(error instanceof SourceError)) throw error;
    this.#services.report('error', error.message, error.range, this.#now);
  }
}

function parameterText({ fewest, most }: BlockMacro): string {
  if (fewest === most) return String(fewest);
  return Number.isFinite(most) ? `${fewest} to ${most}` : `${fewest} or more`;
}

function withoutComment(tokens: readonly Token[]): readonly Token[] {
  return tokens.filter((token) => token.kind !== 'comment');
}

/** Index of the line that closes the block opened at `at`; blocks of the same kind nest. */
function blockEnd(
  lines: readonly RawLine[],
  from: number,
  at: Token,
  opening: readonly string[],
  closing: readonly string[],
): number {
  let depth = 1;
  for (let index = from; index < lines.length; index++) {
    const first = lines[index]?.tokens.find(isSolid);
    if (first?.kind !== 'macro') continue;
    const name = first.text.slice(1).toLowerCase();
    if (opening.includes(name)) depth++;
    else if (closing.includes(name) && --depth === 0) return index;
  }
  throw new SourceError(`${at.text} has no %${closing[0]}.`, rangeOf(at));
}
