/** The `%if` family: what each condition asks, and the stack of open conditions in one run of lines. */
import { rangeOf, SourceError } from './diagnostics';
import { registerNamed } from './register-names';
import { endColumn, isSolid, type Token, textOf } from './tokens';
import { trimmed } from './macro-table';

/** What a condition may ask of the preprocessor. */
export interface ConditionScope {
  expand(tokens: readonly Token[]): readonly Token[];
  /** The value of a whole expression that must be known now. */
  number(tokens: readonly Token[], at: Token): bigint;
  isDefined(name: string): boolean;
  isBlockMacro(name: string, parameters: number | undefined): boolean;
  isContext(name: string): boolean;
}

type Test = (rest: readonly Token[], at: Token, scope: ConditionScope) => boolean;

function halves(rest: readonly Token[], at: Token): [readonly Token[], readonly Token[]] {
  const comma = rest.findIndex((token) => token.text === ',');
  if (comma < 0) throw new SourceError(`${at.text} compares two texts; separate them with a comma.`, rangeOf(at));
  return [trimmed(rest.slice(0, comma)), trimmed(rest.slice(comma + 1))];
}

/** Text with one blank for any stretch of spaces. */
function comparable(tokens: readonly Token[]): string {
  const plain = tokens.filter((token) => token.kind !== 'comment');
  return textOf(plain.map((token) => (token.kind === 'space' ? { ...token, text: ' ' } : token))).trim();
}

function single(rest: readonly Token[], scope: ConditionScope): Token | undefined {
  const solid = scope.expand(rest).filter(isSolid);
  return solid.length === 1 ? solid[0] : undefined;
}

const tests: Readonly<Record<string, Test>> = {
  '': (rest, at, scope) => scope.number(scope.expand(rest), at) !== 0n,
  def: (rest, at, scope) => {
    const names = rest.filter(isSolid);
    if (names.length === 0) throw new SourceError(`${at.text} needs the name of a macro.`, rangeOf(at));
    return names.some((name) => scope.isDefined(name.text));
  },
  macro: (rest, at, scope) => {
    const [name, count] = rest.filter(isSolid);
    if (!name) throw new SourceError(`${at.text} needs the name of a macro.`, rangeOf(at));
    return scope.isBlockMacro(name.text, count ? Number(count.text) : undefined);
  },
  ctx: (rest, at, scope) => {
    const [name] = rest.filter(isSolid);
    if (!name) throw new SourceError(`${at.text} needs the name of a context.`, rangeOf(at));
    return scope.isContext(name.text);
  },
  idn: (rest, at, scope) => {
    const [a, b] = halves(scope.expand(rest), at);
    return comparable(a) === comparable(b);
  },
  idni: (rest, at, scope) => {
    const [a, b] = halves(scope.expand(rest), at);
    return comparable(a).toLowerCase() === comparable(b).toLowerCase();
  },
  id: (rest, _at, scope) => single(rest, scope)?.kind === 'word',
  num: (rest, _at, scope) => {
    const solid = scope.expand(rest).filter(isSolid);
    const digits = solid[0]?.text === '-' || solid[0]?.text === '+' ? solid.slice(1) : solid;
    return digits.length === 1 && digits[0]?.kind === 'number';
  },
  str: (rest, _at, scope) => single(rest, scope)?.kind === 'string',
  token: (rest, _at, scope) => single(rest, scope) !== undefined,
  empty: (rest, _at, scope) => scope.expand(rest).every((token) => !isSolid(token)),
  reg: (rest, _at, scope) => registerNamed(single(rest, scope)?.text ?? '') !== undefined,
  env: () => false,
};

interface Conditional {
  readonly isElse: boolean;
  readonly test: Test;
  readonly negated: boolean;
}

/** Reads `ifndef`, `elifidn` and the like; undefined for other words. */
export function conditionNamed(name: string): Conditional | undefined {
  const match = /^(el)?if(n?)(.*)$/.exec(name);
  if (!match) return undefined;
  const rest = match[3] ?? '';
  const whole = (match[2] ?? '') + rest;
  // "num" begins with n itself: %ifnum is not the negation of "um".
  const direct = tests[whole];
  if (direct) return { isElse: match[1] !== undefined, test: direct, negated: false };
  const test = match[2] === 'n' ? tests[rest] : undefined;
  return test ? { isElse: match[1] !== undefined, test, negated: true } : undefined;
}

interface Open {
  readonly at: Token;
  /** Lines are being taken. */
  active: boolean;
  /** One branch was taken already, or the whole lies in lines that are skipped. */
  done: boolean;
  hadElse: boolean;
}

/** The conditions open at one point of a file or macro body. */
export class ConditionStack {
  readonly #open: Open[] = [];

  /** True when lines are to be assembled. */
  get active(): boolean {
    return this.#open.every((one) => one.active);
  }

  /** Handles a directive of the family; false when `name` is none. */
  handle(name: string, at: Token, rest: readonly Token[], scope: ConditionScope): boolean {
    if (name === 'else') this.#else(at);
    else if (name === 'endif') this.#end(at);
    else {
      const condition = conditionNamed(name);
      if (!condition) return false;
      if (condition.isElse) this.#elif(condition, at, rest, scope);
      else this.#if(condition, at, rest, scope);
    }
    return true;
  }

  /** The innermost condition that lacks its %endif. */
  get unfinished(): Token | undefined {
    return this.#open[this.#open.length - 1]?.at;
  }

  #if(condition: Conditional, at: Token, rest: readonly Token[], scope: ConditionScope): void {
    const reached = this.active;
    const open: Open = { at, active: false, done: !reached, hadElse: false };
    this.#open.push(open);
    if (!reached) return;
    // Should the condition be faulty, its lines are skipped.
    open.done = true;
    open.active = condition.test(rest, at, scope) !== condition.negated;
    open.done = open.active;
  }

  #elif(condition: Conditional, at: Token, rest: readonly Token[], scope: ConditionScope): void {
    const open = this.#top(at);
    if (open.hadElse) throw new SourceError(`${at.text} stands after %else; put it before.`, rangeOf(at));
    open.active = false;
    if (open.done) return;
    open.active = condition.test(rest, at, scope) !== condition.negated;
    open.done = open.active;
  }

  #else(at: Token): void {
    const open = this.#top(at);
    if (open.hadElse) throw new SourceError('A second %else for the same %if; remove one.', rangeOf(at));
    open.hadElse = true;
    open.active = !open.done;
    open.done = true;
  }

  #end(at: Token): void {
    this.#top(at);
    this.#open.pop();
  }

  #top(at: Token): Open {
    const open = this.#open[this.#open.length - 1];
    if (!open) throw new SourceError(`${at.text} has no %if before it.`, { ...rangeOf(at), endColumn: endColumn(at) });
    return open;
  }
}
