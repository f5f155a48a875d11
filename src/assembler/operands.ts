/** Reads the operands of an instruction: registers, immediates, memory references and far pointers, with their keywords. */
import type { Register } from '../x86/iced';
import { rangeOf, rangeOfAll, SourceError, type SourceRange } from './diagnostics';
import { type BaseHint, ExpressionReader, type ExpressionScope } from './expression';
import { isSegment, registerNamed } from './register-names';
import type { Token } from './tokens';
import { hasRegisters, type Value } from './values';
import { sizeKeywords } from './vocabulary';

interface OperandBase {
  /** Size keyword in bytes. */
  readonly size: number | undefined;
  /** STRICT: the size keyword forbids a shorter encoding. */
  readonly strict: boolean;
  readonly distance: 'short' | 'near' | 'far' | 'to' | undefined;
  readonly range: SourceRange;
}

export interface RegisterOperand extends OperandBase {
  readonly kind: 'register';
  readonly register: Register;
}

export interface ImmediateOperand extends OperandBase {
  readonly kind: 'immediate';
  readonly value: Value;
}

export interface FarOperand extends OperandBase {
  readonly kind: 'far';
  readonly selector: Value;
  readonly offset: Value;
}

export interface MemoryReference extends OperandBase {
  readonly kind: 'memory';
  readonly value: Value;
  readonly hint: BaseHint;
  readonly segment: Register | undefined;
  /** Size keyword inside the brackets: bytes of displacement. */
  readonly displacementSize: number | undefined;
  readonly noSplit: boolean;
  readonly relative: boolean | undefined;
}

export type Operand = RegisterOperand | ImmediateOperand | FarOperand | MemoryReference;

interface Keywords {
  size: number | undefined;
  strict: boolean;
  distance: OperandBase['distance'];
}

/** Reads one operand from its solid tokens (at least one); throws {@link SourceError}. */
export function parseOperand(tokens: readonly Token[], scope: ExpressionScope): Operand {
  const keywords: Keywords = { size: undefined, strict: false, distance: undefined };
  let at = 0;
  while (takeKeyword(tokens[at], keywords)) at++;
  const body = tokens.slice(at);
  const fallback = rangeOfAll(tokens, { file: '', line: 1, column: 0, endColumn: 0 });
  const first = body[0];
  if (!first)
    throw new SourceError(
      'The operand ends after its size keyword; a register, a number or [address] must follow.',
      fallback,
    );
  const base = { ...keywords, range: fallback };
  const register = first.kind === 'word' ? registerNamed(first.text) : undefined;
  if (register !== undefined && body.length === 1) return { ...base, kind: 'register', register };
  if (register !== undefined && isSegment(register) && body[1]?.text === ':' && body[2]?.text === '[') {
    return parseMemory(body.slice(2), scope, base, register);
  }
  if (first.text === '[') return parseMemory(body, scope, base, undefined);
  return parseImmediate(body, scope, base);
}

function takeKeyword(token: Token | undefined, keywords: Keywords): boolean {
  if (token?.kind !== 'word') return false;
  const name = token.text.toLowerCase();
  const size = sizeKeywords.get(name);
  if (size !== undefined) keywords.size = size;
  else if (name === 'strict') keywords.strict = true;
  else if (name === 'short' || name === 'near' || name === 'far' || name === 'to') keywords.distance = name;
  else if (name === 'ptr') throw new SourceError('NASM syntax has no "ptr"; remove the word.', rangeOf(token));
  else return false;
  return true;
}

function parseImmediate(tokens: readonly Token[], scope: ExpressionScope, base: OperandBase): Operand {
  const reader = new ExpressionReader(tokens, scope, base.range);
  const value = reader.read();
  const next = tokens[reader.position];
  if (next?.text === ':') {
    const offset = new ExpressionReader(tokens, scope, base.range, reader.position + 1);
    return { ...base, kind: 'far', selector: value, offset: offset.readAll() };
  }
  if (next) {
    const hint = next.text === '[' ? ' To add a displacement, write it inside the brackets: [table + ebx].' : '';
    throw new SourceError(`Expected "," or the end of the operand before "${next.text}".${hint}`, rangeOf(next));
  }
  if (hasRegisters(value)) {
    throw new SourceError(
      'A calculation with registers is an address and belongs into brackets, as in [ebx + 4].',
      base.range,
    );
  }
  return { ...base, kind: 'immediate', value };
}

function parseMemory(
  tokens: readonly Token[],
  scope: ExpressionScope,
  base: OperandBase,
  outerSegment: Register | undefined,
): MemoryReference {
  const close = tokens[tokens.length - 1];
  if (close?.text !== ']') {
    const closedAt = tokens.findIndex((token) => token.text === ']');
    const extra = closedAt < 0 ? undefined : tokens[closedAt + 1];
    if (extra) throw new SourceError(`Expected "," or the end of the operand before "${extra.text}".`, rangeOf(extra));
    throw new SourceError('The "[" has no matching "]".', tokens[0] ? rangeOf(tokens[0]) : base.range);
  }
  let inner = tokens.slice(1, -1);
  let segment = outerSegment;
  let displacementSize: number | undefined;
  let noSplit = false;
  let relative: boolean | undefined;
  for (let token = inner[0]; token?.kind === 'word'; token = inner[0]) {
    const name = token.text.toLowerCase();
    const register = registerNamed(name);
    const size = sizeKeywords.get(name);
    if (register !== undefined && isSegment(register) && inner[1]?.text === ':') {
      segment = register;
      inner = inner.slice(2);
      continue;
    }
    if (size !== undefined) displacementSize = size;
    else if (name === 'nosplit') noSplit = true;
    else if (name === 'rel') relative = true;
    else if (name === 'abs') relative = false;
    else break;
    inner = inner.slice(1);
  }
  if (inner.length === 0) throw new SourceError('The brackets are empty; write an address between them.', base.range);
  const reader = new ExpressionReader(inner, scope, base.range);
  const value = reader.readAll();
  return { ...base, kind: 'memory', value, hint: reader.hint, segment, displacementSize, noSplit, relative };
}
