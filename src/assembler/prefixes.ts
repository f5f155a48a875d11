/** Instruction prefixes: the words that stand before a mnemonic, and their bytes (Intel SDM 2, "Instruction Prefixes"). */
import { type Bitness, Register } from '../x86/iced';
import { registerNamed, registerText } from './register-names';

export interface Prefixes {
  lock: boolean;
  rep: 'none' | 'rep' | 'repne';
  segment: Register;
  operandSize: 16 | 32 | 64 | undefined;
  addressSize: 16 | 32 | 64 | undefined;
}

const sizes: Readonly<Record<string, 16 | 32 | 64>> = { 16: 16, 32: 32, 64: 64 };

/** @param words lower-case prefix words in the order written; a later one of its kind wins */
export function readPrefixes(words: readonly string[]): Prefixes {
  const prefixes: Prefixes = {
    lock: false,
    rep: 'none',
    segment: Register.None,
    operandSize: undefined,
    addressSize: undefined,
  };
  for (const word of words) {
    if (word === 'lock') prefixes.lock = true;
    else if (word === 'repne' || word === 'repnz') prefixes.rep = 'repne';
    else if (word.startsWith('rep')) prefixes.rep = 'rep';
    else if (word.startsWith('o')) prefixes.operandSize = sizes[word.slice(1)];
    else if (word.startsWith('a')) prefixes.addressSize = sizes[word.slice(1)];
    else prefixes.segment = registerNamed(word) ?? Register.None;
  }
  return prefixes;
}

const prefixBytes: Readonly<Record<string, number>> = {
  lock: 0xf0,
  rep: 0xf3,
  repe: 0xf3,
  repz: 0xf3,
  repne: 0xf2,
  repnz: 0xf2,
  es: 0x26,
  cs: 0x2e,
  ss: 0x36,
  ds: 0x3e,
  fs: 0x64,
  gs: 0x65,
};

/** The bytes of prefixes that stand on a line by themselves. */
export function prefixesAlone(words: readonly string[], bitness: Bitness): Uint8Array {
  const bytes: number[] = [];
  for (const word of words) {
    const byte = prefixBytes[word];
    if (byte !== undefined) bytes.push(byte);
    else if (word.startsWith('o') && sizes[word.slice(1)] !== bitness) bytes.push(0x66);
    else if (word.startsWith('a') && sizes[word.slice(1)] !== bitness) bytes.push(0x67);
  }
  return Uint8Array.from(bytes);
}

/** The prefix byte of a segment register. */
export function segmentOverride(segment: Register): number {
  return prefixBytes[registerText(segment)] ?? 0;
}
