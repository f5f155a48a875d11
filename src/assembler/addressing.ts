/** Turns the sum in brackets into base, index, scale and displacement, choosing as NASM does (SDM 2A, 2.1.5 "Addressing-Mode Encoding"). */
import { type Bitness, type EncodeMemory, Register } from '../x86/iced';
import { SourceError } from './diagnostics';
import type { MemoryReference } from './operands';
import { generalBits, isOfClass, registerText } from './register-names';
import { isKnownScalar, isScalar, sectionBase, type Value } from './values';

export interface Address {
  readonly memory: EncodeMemory;
  /** Address size in bits. */
  readonly bits: 16 | 32 | 64;
}

export interface AddressingMode {
  readonly bitness: Bitness;
  /** Address size in bits asked for by an A16/A32/A64 prefix. */
  readonly wanted: 16 | 32 | 64 | undefined;
  /** DEFAULT REL is in force. */
  readonly defaultRelative: boolean;
}

/** Resolves a memory operand; throws {@link SourceError} when no encoding can express it. */
export function resolveAddress(operand: MemoryReference, mode: AddressingMode): Address {
  const registers = [...operand.value.terms].filter(([key]) => key < sectionBase);
  const displacement = withoutRegisters(operand.value);
  if (registers.length === 0) return absolute(operand, displacement, mode);
  const bits = addressBits(registers, operand);
  if (bits === 16) return sixteenBit(registers, displacement, operand);
  return thirtyTwoBit(registers, displacement, operand, bits);
}

function withoutRegisters(value: Value): Value {
  const terms = new Map([...value.terms].filter(([key]) => key >= sectionBase));
  return { n: value.n, terms, unknown: value.unknown };
}

function absolute(operand: MemoryReference, displacement: Value, mode: AddressingMode): Address {
  const keyword = operand.displacementSize;
  const bits = mode.wanted ?? (keyword === 2 ? 16 : keyword === 4 && mode.bitness !== 64 ? 32 : mode.bitness);
  const segmentKeepsAbsolute = operand.segment === Register.FS || operand.segment === Register.GS;
  const relative = operand.relative ?? (mode.defaultRelative && !segmentKeepsAbsolute);
  const isRelative = mode.bitness === 64 && relative && keyword !== 8;
  const base = isRelative ? Register.RIP : Register.None;
  // The size stands for the address size here: with 8, iced encodes four bytes, sign-extended.
  return {
    bits,
    memory: {
      kind: 'memory',
      base,
      index: Register.None,
      scale: 1,
      displacement: displacement.n,
      displacementSize: bits / 8,
    },
  };
}

function addressBits(registers: readonly (readonly [number, bigint])[], operand: MemoryReference): 16 | 32 | 64 {
  const sizes = new Set(registers.filter(([key]) => !isVector(key)).map(([key]) => generalBits(key)));
  const [bits] = sizes;
  if (sizes.size > 1 || bits === 0 || bits === 8 || bits === undefined) {
    const names = registers.map(([key]) => registerText(key)).join(' and ');
    throw new SourceError(
      `An address cannot be made of ${names}; use general registers of one size, 16, 32 or 64 bits.`,
      operand.range,
    );
  }
  return bits;
}

function isVector(register: Register): boolean {
  return isOfClass(register, 'xmm') || isOfClass(register, 'ymm') || isOfClass(register, 'zmm');
}

const sixteenBitPairs: readonly (readonly [Register, Register])[] = [
  [Register.BX, Register.SI],
  [Register.BX, Register.DI],
  [Register.BP, Register.SI],
  [Register.BP, Register.DI],
  [Register.SI, Register.None],
  [Register.DI, Register.None],
  [Register.BP, Register.None],
  [Register.BX, Register.None],
];

function sixteenBit(
  registers: readonly (readonly [number, bigint])[],
  displacement: Value,
  operand: MemoryReference,
): Address {
  const names = new Set(registers.map(([key]) => key));
  const pair = sixteenBitPairs.find(
    ([base, index]) =>
      names.has(base) &&
      names.size === (index === Register.None ? 1 : 2) &&
      (index === Register.None || names.has(index)),
  );
  if (!pair || registers.some(([, factor]) => factor !== 1n)) {
    throw new SourceError(
      'A 16-bit address is BX or BP, plus SI or DI, plus a number; no other registers and no scale.',
      operand.range,
    );
  }
  const [base, index] = pair;
  const size = displacementSize(operand, displacement, base === Register.BP && index === Register.None, 2, 16);
  return {
    bits: 16,
    memory: { kind: 'memory', base, index, scale: 1, displacement: displacement.n, displacementSize: size },
  };
}

/** Bytes of displacement: none for zero, one where it fits, else `full`; a number that is not final yet takes `full`. */
function displacementSize(
  operand: MemoryReference,
  displacement: Value,
  needsOne: boolean,
  full: number,
  bits: 16 | 32 | 64,
): number {
  const keyword = operand.displacementSize;
  if (keyword === 1) return 1;
  if (keyword !== undefined && keyword > 1) return full;
  if (!isKnownScalar(displacement)) return full;
  const n = BigInt.asIntN(bits === 64 ? 64 : bits, displacement.n);
  if (n === 0n && !needsOne) return 0;
  return n >= -128n && n <= 127n ? 1 : full;
}

interface Parts {
  base: Register;
  index: Register;
  scale: number;
}

function splitParts(registers: readonly (readonly [number, bigint])[], operand: MemoryReference): Parts {
  const parts: Parts = { base: Register.None, index: Register.None, scale: 1 };
  for (const [register, factor] of registers) {
    const scale = Number(factor);
    if (parts.base === Register.None && scale === 1 && !isVector(register)) parts.base = register;
    else if (parts.index === Register.None) {
      parts.index = register;
      parts.scale = scale;
    } else {
      throw new SourceError(
        'An address holds at most two registers, of which one may be multiplied by 2, 4 or 8.',
        operand.range,
      );
    }
  }
  return parts;
}

/** NASM's preferences: the first register is the base unless it is multiplied; lone doubled or odd multiples use both places. */
function arrange(parts: Parts, operand: MemoryReference): void {
  const { hint } = operand;
  const swap =
    parts.scale === 1 &&
    parts.index !== Register.None &&
    !isVector(parts.index) &&
    ((hint.wants === 'base' && hint.register === parts.index) ||
      (hint.wants === 'not base' && hint.register === parts.base));
  if (swap) [parts.base, parts.index] = [parts.index, parts.base];
  if (parts.index === Register.None && hint.wants === 'not base' && hint.register === parts.base && operand.noSplit) {
    [parts.base, parts.index] = [Register.None, parts.base];
  }
  const alone = parts.base === Register.None && !isVector(parts.index);
  const odd = parts.scale === 3 || parts.scale === 5 || parts.scale === 9;
  if (alone && ((parts.scale === 2 && !operand.noSplit) || odd)) {
    parts.base = parts.index;
    parts.scale--;
  }
  if (parts.scale === 1 && isStackPointer(parts.index)) [parts.base, parts.index] = [parts.index, parts.base];
}

function isStackPointer(register: Register): boolean {
  return register === Register.ESP || register === Register.RSP;
}

function thirtyTwoBit(
  registers: readonly (readonly [number, bigint])[],
  displacement: Value,
  operand: MemoryReference,
  bits: 32 | 64,
): Address {
  const parts = splitParts(registers, operand);
  arrange(parts, operand);
  if (isStackPointer(parts.index)) {
    throw new SourceError(
      `${registerText(parts.index)} cannot be multiplied or added twice in an address.`,
      operand.range,
    );
  }
  if (![1, 2, 4, 8].includes(parts.scale)) {
    throw new SourceError(
      `A register in an address can be multiplied by 1, 2, 4 or 8, not by ${parts.scale}.`,
      operand.range,
    );
  }
  if (
    bits === 64 &&
    isScalar(displacement) &&
    BigInt.asIntN(32, displacement.n) !== displacement.n &&
    displacement.n > 0xffff_ffffn
  ) {
    throw new SourceError('The displacement does not fit into 32 bits; load it into a register first.', operand.range);
  }
  const lowBase = [Register.EBP, Register.RBP, Register.R13D, Register.R13].includes(parts.base);
  const full = bits === 64 ? 8 : 4;
  const size = parts.base === Register.None ? full : displacementSize(operand, displacement, lowBase, full, bits);
  return {
    bits,
    memory: { kind: 'memory', ...parts, displacement: displacement.n, displacementSize: size },
  };
}
