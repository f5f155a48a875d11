/**
 * Expressions over registers, flags, labels, numbers and memory: one grammar for watch, hover, console and conditions.
 * Values are unsigned 32-bit numbers; evaluation changes nothing. Operators bind as in NASM: bitwise tighter than comparison.
 */

/** What an expression may ask of the machine. */
export interface ExpressionScope {
  register(name: string): number | undefined;
  /** Linear address of a label. */
  label(name: string): number | undefined;
  /** Little endian, undefined when a byte of it cannot be read. */
  read(linear: number, size: 1 | 2 | 4): number | undefined;
  /** Base of a segment register. */
  segmentBase(name: string): number | undefined;
}

/** What is wrong with an expression, as a sentence. */
export class ExpressionError extends Error {}

/** Where an assignment goes. */
export type Target =
  | { readonly kind: 'register'; readonly name: string }
  | { readonly kind: 'memory'; readonly address: number; readonly size: 1 | 2 | 4 };

type Node =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'memory'; readonly size: 1 | 2 | 4; readonly segment?: string; readonly address: Node }
  | { readonly kind: 'unary'; readonly operator: string; readonly operand: Node }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Node; readonly right: Node };

/** Binary operators, loosest first; each row binds alike and groups to the left. */
const LEVELS: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['==', '!=', '<', '<=', '>', '>='],
  ['|'],
  ['^'],
  ['&'],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
];

const bool = (value: boolean): number => (value ? 1 : 0);

const BINARY: Readonly<Record<string, (a: number, b: number) => number>> = {
  '||': (a, b) => bool(a !== 0 || b !== 0),
  '&&': (a, b) => bool(a !== 0 && b !== 0),
  '==': (a, b) => bool(a === b),
  '!=': (a, b) => bool(a !== b),
  '<': (a, b) => bool(a < b),
  '<=': (a, b) => bool(a <= b),
  '>': (a, b) => bool(a > b),
  '>=': (a, b) => bool(a >= b),
  '|': (a, b) => (a | b) >>> 0,
  '^': (a, b) => (a ^ b) >>> 0,
  '&': (a, b) => (a & b) >>> 0,
  '<<': (a, b) => (b > 31 ? 0 : (a << b) >>> 0),
  '>>': (a, b) => (b > 31 ? 0 : a >>> b),
  '+': (a, b) => (a + b) >>> 0,
  '-': (a, b) => (a - b) >>> 0,
  '*': (a, b) => Math.imul(a, b) >>> 0,
  '/': (a, b) => Math.floor(divisor(a, b)),
  '%': (a, b) => (b === 0 ? divisor(a, b) : a % b),
};

const UNARY: Readonly<Record<string, (a: number) => number>> = {
  '-': (a) => -a >>> 0,
  '~': (a) => ~a >>> 0,
  '!': (a) => bool(a === 0),
  '+': (a) => a,
};

function divisor(a: number, b: number): number {
  if (b === 0) throw new ExpressionError('The expression divides by zero.');
  return a / b;
}

const SIZES: Readonly<Record<string, 1 | 2 | 4>> = { byte: 1, word: 2, dword: 4, b: 1, w: 2, d: 4 };

/** Each character may open a level of nesting, and levels are calls. */
const MOST_CHARACTERS = 1000;

export class Expression {
  private constructor(private readonly root: Node) {}

  /** @throws ExpressionError when the text is no expression */
  static parse(text: string): Expression {
    if (text.length > MOST_CHARACTERS) {
      throw new ExpressionError(`The expression has ${text.length} characters; ${MOST_CHARACTERS} are the most.`);
    }
    return new Expression(new Parser(text).whole());
  }

  /** @throws ExpressionError when a name is unknown, memory cannot be read, or a divisor is zero */
  evaluate(scope: ExpressionScope): number {
    return valueOf(this.root, scope);
  }

  /** What an assignment to the expression would change. @throws ExpressionError when it is neither register nor memory */
  target(scope: ExpressionScope): Target {
    const { root } = this;
    if (root.kind === 'name' && scope.register(root.name) !== undefined) return { kind: 'register', name: root.name };
    if (root.kind === 'memory') return { kind: 'memory', address: addressOf(root, scope), size: root.size };
    throw new ExpressionError('Only a register, a flag or memory such as [esp+4] or byte [buffer] can be set.');
  }

  /** Linear address and bytes of a memory operand; undefined for other expressions. */
  memoryRange(scope: ExpressionScope): { readonly address: number; readonly length: 1 | 2 | 4 } | undefined {
    const { root } = this;
    return root.kind === 'memory' ? { address: addressOf(root, scope), length: root.size } : undefined;
  }
}

function addressOf(node: Extract<Node, { kind: 'memory' }>, scope: ExpressionScope): number {
  const offset = valueOf(node.address, scope);
  if (node.segment === undefined) return offset;
  return (offset + (scope.segmentBase(node.segment) ?? 0)) >>> 0;
}

function valueOf(node: Node, scope: ExpressionScope): number {
  switch (node.kind) {
    case 'number':
      return node.value;
    case 'name': {
      const value = scope.register(node.name) ?? scope.label(node.name);
      if (value === undefined) throw new ExpressionError(`"${node.name}" is neither a register, a flag nor a label.`);
      return value >>> 0;
    }
    case 'memory': {
      const address = addressOf(node, scope);
      const value = scope.read(address, node.size);
      if (value === undefined) {
        throw new ExpressionError(`Memory at 0x${address.toString(16)} cannot be read: no page is mapped there.`);
      }
      return value >>> 0;
    }
    case 'unary':
      return UNARY[node.operator]?.(valueOf(node.operand, scope)) ?? 0;
    case 'binary':
      return BINARY[node.operator]?.(valueOf(node.left, scope), valueOf(node.right, scope)) ?? 0;
  }
}

interface Lexeme {
  readonly text: string;
  readonly kind: 'number' | 'name' | 'mark' | 'end';
  /** 1-based. */
  readonly column: number;
}

const LEXEMES =
  /\s*(?:([0-9][0-9a-zA-Z_]*)|([A-Za-z_.$?](?:[\w.$?#~]|@(?!\())*)|(\|\||&&|==|!=|<=|>=|<<|>>|@\(|[-+*/%&|^~!<>()[\]:]))/y;

class Parser {
  private readonly lexemes: readonly Lexeme[];
  private at = 0;

  constructor(private readonly text: string) {
    this.lexemes = this.split();
  }

  private split(): Lexeme[] {
    const found: Lexeme[] = [];
    let from = 0;
    while (this.text.slice(from).trim() !== '') {
      LEXEMES.lastIndex = from;
      const match = LEXEMES.exec(this.text);
      if (match === null) {
        const column = from + (this.text.slice(from).length - this.text.slice(from).trimStart().length) + 1;
        throw new ExpressionError(`"${this.text}": unexpected "${this.text[column - 1]}" at column ${column}.`);
      }
      const text = match[1] ?? match[2] ?? match[3] ?? '';
      const kind = match[1] !== undefined ? 'number' : match[2] !== undefined ? 'name' : 'mark';
      found.push({ text, kind, column: LEXEMES.lastIndex - text.length + 1 });
      from = LEXEMES.lastIndex;
    }
    found.push({ text: '', kind: 'end', column: this.text.length + 1 });
    return found;
  }

  private get next(): Lexeme {
    return this.lexemes[this.at] ?? { text: '', kind: 'end', column: this.text.length + 1 };
  }

  private take(text: string): boolean {
    if (this.next.kind !== 'mark' || this.next.text !== text) return false;
    this.at++;
    return true;
  }

  private expect(text: string): void {
    if (!this.take(text)) throw this.unexpected(`"${text}"`);
  }

  private unexpected(wanted: string): ExpressionError {
    const { kind, text, column } = this.next;
    const found = kind === 'end' ? 'the end' : `"${text}"`;
    return new ExpressionError(`"${this.text}": expected ${wanted} at column ${column}, found ${found}.`);
  }

  whole(): Node {
    const root = this.level(0);
    if (this.next.kind !== 'end') throw this.unexpected('an operator');
    return root;
  }

  private level(depth: number): Node {
    const operators = LEVELS[depth];
    if (operators === undefined) return this.unary();
    let left = this.level(depth + 1);
    while (this.next.kind === 'mark' && operators.includes(this.next.text)) {
      const operator = this.next.text;
      this.at++;
      left = { kind: 'binary', operator, left, right: this.level(depth + 1) };
    }
    return left;
  }

  private unary(): Node {
    const { kind, text } = this.next;
    if (kind === 'mark' && UNARY[text] !== undefined) {
      this.at++;
      return { kind: 'unary', operator: text, operand: this.unary() };
    }
    return this.primary();
  }

  private primary(): Node {
    const lexeme = this.next;
    if (this.take('(')) {
      const inner = this.level(0);
      this.expect(')');
      return inner;
    }
    if (this.next.kind === 'mark' && this.next.text === '[') return this.memory(4);
    if (lexeme.kind === 'number') {
      this.at++;
      return { kind: 'number', value: this.number(lexeme) };
    }
    if (lexeme.kind !== 'name') throw this.unexpected('a register, a label, a number or "["');
    this.at++;
    const size = SIZES[lexeme.text.toLowerCase()];
    if (size !== undefined && this.take('@(')) {
      const address = this.level(0);
      this.expect(')');
      return { kind: 'memory', size, address };
    }
    if (size !== undefined && this.next.text === '[') return this.memory(size);
    return { kind: 'name', name: lexeme.text === '$' ? 'eip' : lexeme.text };
  }

  private memory(size: 1 | 2 | 4): Node {
    this.expect('[');
    let segment: string | undefined;
    if (/^[c-gs]s$/i.test(this.next.text) && this.lexemes[this.at + 1]?.text === ':') {
      segment = this.next.text.toLowerCase();
      this.at += 2;
    }
    const address = this.level(0);
    this.expect(']');
    return { kind: 'memory', size, address, ...(segment === undefined ? {} : { segment }) };
  }

  /** NASM's ways to write numbers: 0x1f, 1fh (with a leading digit), 0b101, 101b, 0o17, 17o, and decimal; _ separates. */
  private number(lexeme: Lexeme): number {
    const digits = lexeme.text.replaceAll('_', '').toLowerCase();
    const forms: readonly (readonly [RegExp, number])[] = [
      [/^0[xh]([0-9a-f]+)$/, 16],
      [/^([0-9][0-9a-f]*)h$/, 16],
      [/^0[by]([01]+)$/, 2],
      [/^([01]+)[by]$/, 2],
      [/^0[oq]([0-7]+)$/, 8],
      [/^([0-7]+)[oq]$/, 8],
      [/^([0-9]+)d?$/, 10],
    ];
    for (const [form, radix] of forms) {
      const match = form.exec(digits);
      if (match?.[1] === undefined) continue;
      const value = Number.parseInt(match[1], radix);
      if (value <= 0xffff_ffff) return value;
      throw new ExpressionError(`"${lexeme.text}" at column ${lexeme.column} does not fit in 32 bits.`);
    }
    throw new ExpressionError(`"${lexeme.text}" at column ${lexeme.column} is no number: write 255, 0xff or 0ffh.`);
  }
}
