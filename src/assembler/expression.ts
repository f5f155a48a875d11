/** Evaluates NASM expressions over tokens ("Expressions" in the NASM manual, chapter 3), with its operators and precedence. */
import { Register } from '../x86/iced';
import { rangeOf, rangeOfAll, SourceError, type SourceRange } from './diagnostics';
import { characterConstant, readInteger } from './numbers';
import { registerNamed } from './register-names';
import type { Token } from './tokens';
import { add, isScalar, multiply, registerValue, scalar, subtract, unknownValue, type Value } from './values';

/** What an expression may ask of its surroundings. */
export interface ExpressionScope {
  /** The value of `$`. */
  here(): Value;
  /** The value of `$$`. */
  sectionStart(): Value;
  /** The value of a name; throws {@link SourceError} when it can never have one. */
  symbol(name: Token): Value;
}

/** NASM's hint for effective addresses: which register the text wants as base, or not as base. */
export interface BaseHint {
  register: Register;
  wants: 'none' | 'base' | 'not base';
}

type Binary = (a: bigint, b: bigint) => bigint;

const unsigned = (n: bigint) => BigInt.asUintN(64, n);
const signed = (n: bigint) => BigInt.asIntN(64, n);
const truth = (b: boolean) => (b ? 1n : 0n);

function shift(b: bigint, apply: (count: bigint) => bigint): bigint {
  const count = unsigned(b);
  return count > 63n ? 0n : apply(count);
}

/** Operators on plain numbers, by level from loosest to tightest; `+ - *` also work on addresses and are handled apart. */
const levels: readonly ReadonlyMap<string, Binary>[] = [
  new Map([['||', (a, b) => truth(a !== 0n || b !== 0n)]]),
  new Map([['^^', (a, b) => truth((a !== 0n) !== (b !== 0n))]]),
  new Map([['&&', (a, b) => truth(a !== 0n && b !== 0n)]]),
  new Map<string, Binary>([
    ['=', (a, b) => truth(a === b)],
    ['==', (a, b) => truth(a === b)],
    ['<>', (a, b) => truth(a !== b)],
    ['!=', (a, b) => truth(a !== b)],
    ['<', (a, b) => truth(a < b)],
    ['<=', (a, b) => truth(a <= b)],
    ['>', (a, b) => truth(a > b)],
    ['>=', (a, b) => truth(a >= b)],
    ['<=>', (a, b) => (a < b ? -1n : a > b ? 1n : 0n)],
  ]),
  new Map([['|', (a, b) => a | b]]),
  new Map([['^', (a, b) => a ^ b]]),
  new Map([['&', (a, b) => a & b]]),
  new Map<string, Binary>([
    ['<<', (a, b) => shift(b, (count) => a << count)],
    ['>>', (a, b) => shift(b, (count) => unsigned(a) >> count)],
    ['<<<', (a, b) => shift(b, (count) => a << count)],
    ['>>>', (a, b) => a >> (unsigned(b) > 63n ? 63n : unsigned(b))],
  ]),
  new Map<string, Binary>([
    ['+', (a, b) => a + b],
    ['-', (a, b) => a - b],
  ]),
  new Map<string, Binary>([
    ['*', (a, b) => a * b],
    ['/', (a, b) => unsigned(a) / unsigned(b)],
    ['//', (a, b) => a / b],
    ['%', (a, b) => unsigned(a) % unsigned(b)],
    ['%%', (a, b) => a % b],
  ]),
];

const comparisonLevel = 3;
const dividing: ReadonlySet<string> = new Set(['/', '//', '%', '%%']);
/** Parentheses and unary operators inside one another; deeper is refused, so that the stack of the host is never the limit. */
const deepest = 200;

/** Reads one expression from `tokens` (spaces and comments already left out). */
export class ExpressionReader {
  readonly hint: BaseHint = { register: Register.None, wants: 'none' };
  #at: number;
  #depth = 0;
  readonly #tokens: readonly Token[];
  readonly #scope: ExpressionScope;
  readonly #fallback: SourceRange;

  /** @param fallback the place to blame when the tokens end too early */
  constructor(tokens: readonly Token[], scope: ExpressionScope, fallback: SourceRange, start = 0) {
    this.#tokens = tokens;
    this.#scope = scope;
    this.#fallback = fallback;
    this.#at = start;
  }

  /** Index of the first token that is not read yet. */
  get position(): number {
    return this.#at;
  }

  /** Reads an expression up to the first token that cannot continue it. */
  read(): Value {
    return this.#conditional();
  }

  /** Reads an expression that must use all tokens. */
  readAll(): Value {
    const value = this.read();
    const rest = this.#tokens[this.#at];
    if (rest)
      throw new SourceError(`Expected an operator or the end of the expression before "${rest.text}".`, rangeOf(rest));
    return value;
  }

  #peek(): string | undefined {
    const token = this.#tokens[this.#at];
    return token?.kind === 'operator' ? token.text : undefined;
  }

  #conditional(): Value {
    const condition = this.#level(0);
    if (this.#peek() !== '?') return condition;
    const mark = this.#tokens[this.#at];
    this.#at++;
    const yes = this.#conditional();
    if (this.#peek() !== ':') {
      throw new SourceError(
        'A "?" needs a ":" with the value for the other case.',
        mark ? rangeOf(mark) : this.#fallback,
      );
    }
    this.#at++;
    const no = this.#conditional();
    if (condition.unknown) return unknownValue;
    return condition.n !== 0n ? yes : no;
  }

  #level(index: number): Value {
    const operators = levels[index];
    if (!operators) return this.#unary();
    let left = this.#level(index + 1);
    for (;;) {
      const text = this.#peek();
      const apply = text === undefined ? undefined : operators.get(text);
      const token = this.#tokens[this.#at];
      if (text === undefined || !apply || !token) return left;
      this.#at++;
      left = this.#combine(text, apply, left, this.#level(index + 1), token, index === comparisonLevel);
    }
  }

  #combine(text: string, apply: Binary, a: Value, b: Value, token: Token, comparing: boolean): Value {
    if (text === '+') return add(a, b);
    if (text === '-') return subtract(a, b);
    if (a.unknown || b.unknown) return unknownValue;
    if (text === '*' && isScalar(a)) return this.#scale(b, a.n);
    if (text === '*' && isScalar(b)) return this.#scale(a, b.n);
    if (comparing) {
      const difference = subtract(a, b);
      if (isScalar(difference)) return scalar(apply(a.n, b.n));
    }
    if (!isScalar(a) || !isScalar(b)) {
      throw new SourceError(
        `"${text}" works on plain numbers only, and one side is an address or a register; make an address plain by subtracting another of the same section, as in (label - $$).`,
        rangeOf(token),
      );
    }
    if (dividing.has(text) && b.n === 0n) throw new SourceError('Division by zero.', rangeOf(token));
    return scalar(signed(apply(a.n, b.n)));
  }

  #scale(value: Value, factor: bigint): Value {
    if (this.hint.wants === 'base' && value.terms.has(this.hint.register)) this.hint.wants = 'not base';
    return multiply(value, factor);
  }

  #unary(): Value {
    if (++this.#depth > deepest) {
      throw new SourceError(
        `The expression nests deeper than ${deepest} levels; name a part of it with equ.`,
        this.#fallback,
      );
    }
    try {
      return this.#prefixed();
    } finally {
      this.#depth--;
    }
  }

  #prefixed(): Value {
    const token = this.#tokens[this.#at];
    if (!token) {
      const last = this.#tokens[this.#tokens.length - 1];
      throw new SourceError('The expression ends where a value should follow.', last ? rangeOf(last) : this.#fallback);
    }
    this.#at++;
    if (token.kind === 'number') return this.#number(token);
    if (token.kind === 'string') return scalar(characterConstant(token.text));
    if (token.kind === 'word') return this.#name(token);
    if (token.kind === 'operator') {
      switch (token.text) {
        case '-':
          return multiply(this.#unary(), -1n);
        case '+':
          return this.#unary();
        case '~':
          return this.#onNumber(token, this.#unary(), (n) => ~n);
        case '!':
          return this.#onNumber(token, this.#unary(), (n) => truth(n === 0n));
        case '$':
          return this.#scope.here();
        case '$$':
          return this.#scope.sectionStart();
        case '(':
          return this.#parenthesized(token);
      }
    }
    if (token.kind === 'bad' && /^['"`]/.test(token.text)) {
      throw new SourceError(`The string has no closing ${token.text[0]} on this line.`, rangeOf(token));
    }
    throw new SourceError(
      `"${token.text}" is not a value; expected a number, a name, a string or "(".`,
      rangeOf(token),
    );
  }

  #number(token: Token): Value {
    const value = readInteger(token.text);
    if (value === undefined) {
      throw new SourceError(
        `"${token.text}" is not a number; write 255, 0xff, 0ffh, 0b1010 or 0o17 (hexadecimal with a final h must begin with a digit).`,
        rangeOf(token),
      );
    }
    return scalar(value);
  }

  #name(token: Token): Value {
    const register = registerNamed(token.text);
    if (register === undefined) return this.#scope.symbol(token);
    if (this.hint.wants === 'none') {
      this.hint.wants = 'base';
      this.hint.register = register;
    }
    return registerValue(register);
  }

  #onNumber(token: Token, value: Value, apply: (n: bigint) => bigint): Value {
    if (value.unknown) return unknownValue;
    if (!isScalar(value))
      throw new SourceError(`"${token.text}" works on plain numbers only, not on addresses.`, rangeOf(token));
    return scalar(apply(value.n));
  }

  #parenthesized(open: Token): Value {
    const value = this.#conditional();
    if (this.#peek() !== ')') throw new SourceError('The "(" has no matching ")".', rangeOf(open));
    this.#at++;
    return value;
  }
}

/** Evaluates tokens that are one whole expression. */
export function evaluate(tokens: readonly Token[], scope: ExpressionScope, fallback: SourceRange): Value {
  return new ExpressionReader(tokens, scope, rangeOfAll(tokens, fallback)).readAll();
}
