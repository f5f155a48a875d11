/** The bytes of DB, DW, DD, DQ and their siblings. */
import { rangeOf, rangeOfAll, SourceError, type SourceRange } from './diagnostics';
import { evaluate, type ExpressionScope } from './expression';
import { readFloat, stringBytes } from './numbers';
import type { Token } from './tokens';
import { hasRegisters, isKnownScalar } from './values';

export interface DataContext {
  readonly scope: ExpressionScope;
  readonly range: SourceRange;
  warn(message: string, range: SourceRange): void;
}

/** The bytes of all operands of a data directive with items of `size` bytes. */
export function dataBytes(operands: readonly (readonly Token[])[], size: number, context: DataContext): Uint8Array {
  if (operands.length === 0)
    throw new SourceError('The data directive has no operands; write at least one value.', context.range);
  const bytes: number[] = [];
  for (const operand of operands) {
    const item = itemBytes(operand, size, context);
    for (const byte of item) bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

function itemBytes(operand: readonly Token[], size: number, context: DataContext): readonly number[] {
  const [first] = operand;
  if (!first) throw new SourceError('A value is missing between two commas or at the end of the list.', context.range);
  if (first.kind === 'string' && operand.length === 1) return padded(stringBytes(first.text), size);
  const float = floatOf(operand);
  if (float) return floatBytes(float.value, size, float.token);
  const value = evaluate(operand, context.scope, context.range);
  const range = rangeOfAll(operand, context.range);
  if (hasRegisters(value))
    throw new SourceError('A register has no value while assembling; data takes numbers, labels and strings.', range);
  if (size > 8)
    throw new SourceError('Integers longer than 8 bytes are not supported; write the parts with dq.', range);
  if (isKnownScalar(value) && size < 8) {
    const limit = 1n << BigInt(8 * size);
    if (value.n < -(limit >> 1n) || value.n >= limit) {
      context.warn(
        `${value.n} does not fit into ${8 * size} bits and is truncated to ${BigInt.asUintN(8 * size, value.n)}.`,
        range,
      );
    }
  }
  return littleEndian(value.n, size);
}

/** The lowest `size` bytes of a number, lowest first. */
export function littleEndian(value: bigint, size: number): number[] {
  let rest = BigInt.asUintN(8 * size, value);
  const bytes: number[] = [];
  for (let index = 0; index < size; index++) {
    bytes.push(Number(rest & 0xffn));
    rest >>= 8n;
  }
  return bytes;
}

function padded(bytes: number[], size: number): number[] {
  while (bytes.length % size !== 0) bytes.push(0);
  return bytes;
}

function floatOf(operand: readonly Token[]): { readonly value: number; readonly token: Token } | undefined {
  const sign = operand[0]?.text === '-' ? -1 : 1;
  const token = operand[0]?.text === '-' || operand[0]?.text === '+' ? operand[1] : operand[0];
  if (token?.kind !== 'number' || operand[operand.length - 1] !== token) return undefined;
  const value = readFloat(token.text);
  return value === undefined ? undefined : { value: sign * value, token };
}

function floatBytes(value: number, size: number, token: Token): readonly number[] {
  const view = new DataView(new ArrayBuffer(8));
  if (size === 4) view.setFloat32(0, value, true);
  else if (size === 8) view.setFloat64(0, value, true);
  else throw new SourceError('Floating-point numbers go into dd (32 bits) or dq (64 bits).', rangeOf(token));
  return Array.from({ length: size }, (_, index) => view.getUint8(index));
}
