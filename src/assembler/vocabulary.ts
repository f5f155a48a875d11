/** The words that NASM source gives a meaning to, other than registers: mnemonics with their aliases, directives, prefixes. */
import { type InstructionForm, instructionForms } from '../x86/iced';

interface Alias {
  /** iced mnemonics whose forms the name stands for. */
  readonly of: readonly string[];
  /** Operand size in bits that the name fixes. */
  readonly operandSize?: 16 | 32 | 64;
}

const conditionAliases: Readonly<Record<string, readonly string[]>> = {
  e: ['z'],
  ne: ['nz'],
  a: ['nbe'],
  ae: ['nb', 'nc'],
  b: ['nae', 'c'],
  be: ['na'],
  g: ['nle'],
  ge: ['nl'],
  l: ['nge'],
  le: ['ng'],
  p: ['pe'],
  np: ['po'],
};

function aliasTable(): ReadonlyMap<string, Alias> {
  const table = new Map<string, Alias>();
  for (const [condition, others] of Object.entries(conditionAliases)) {
    for (const other of others) {
      for (const family of ['j', 'set', 'cmov']) table.set(family + other, { of: [family + condition] });
    }
  }
  const sized: readonly [string, readonly string[]][] = [
    ['pusha', ['pusha', 'pushad']],
    ['popa', ['popa', 'popad']],
    ['pushf', ['pushf', 'pushfd', 'pushfq']],
    ['popf', ['popf', 'popfd', 'popfq']],
    ['iret', ['iret', 'iretd']],
    ['ret', ['ret']],
    ['retf', ['retf']],
    ['retn', ['ret']],
    ['sysret', ['sysret', 'sysretq']],
    ['sysexit', ['sysexit', 'sysexitq']],
  ];
  for (const [name, of] of sized) {
    table.set(name, { of });
    table.set(`${name}w`, { of, operandSize: 16 });
    if (!['pusha', 'popa', 'pushf', 'popf', 'iret'].includes(name)) table.set(`${name}d`, { of, operandSize: 32 });
    if (name.startsWith('ret')) table.set(`${name}q`, { of, operandSize: 64 });
  }
  const plain: Readonly<Record<string, string>> = {
    loopz: 'loope',
    loopnz: 'loopne',
    xlat: 'xlatb',
    sal: 'shl',
    fwait: 'wait',
    icebp: 'int1',
    int01: 'int1',
    int03: 'int3',
    ud2a: 'ud2',
    ud2b: 'ud1',
  };
  for (const [name, of] of Object.entries(plain)) table.set(name, { of: [of] });
  return table;
}

const aliases = aliasTable();

/** The encodings that a mnemonic stands for, and the operand size that its name fixes. */
export interface MnemonicForms {
  readonly forms: readonly InstructionForm[];
  readonly operandSize: 16 | 32 | 64 | undefined;
}

const noForms: readonly InstructionForm[] = [];

/** Looks up a mnemonic in any letter case; undefined when NASM source has no such instruction. */
export function formsOf(name: string): MnemonicForms | undefined {
  const lower = name.toLowerCase();
  const table = instructionForms();
  const alias = aliases.get(lower);
  if (alias)
    return { forms: alias.of.flatMap((mnemonic) => table.get(mnemonic) ?? noForms), operandSize: alias.operandSize };
  const forms = table.get(lower);
  return forms ? { forms, operandSize: undefined } : undefined;
}

export function isMnemonic(name: string): boolean {
  const lower = name.toLowerCase();
  return aliases.has(lower) || instructionForms().has(lower);
}

/** Bytes of one item of DB, RESB and their siblings. */
export const dataSizes: Readonly<Record<string, number>> = { b: 1, w: 2, d: 4, q: 8, t: 10, o: 16, y: 32, z: 64 };

interface DataDirective {
  /** DB, DW, ...: the operands are the content; otherwise RESB, RESW, ...: the operand is a count. */
  readonly define: boolean;
  /** Bytes of one item. */
  readonly size: number;
}

const data: ReadonlyMap<string, DataDirective> = new Map(
  Object.entries(dataSizes).flatMap(([letter, size]): [string, DataDirective][] => [
    [`d${letter}`, { define: true, size }],
    [`res${letter}`, { define: false, size }],
  ]),
);

/** The data directive of that name in any letter case. */
export function dataDirective(name: string): DataDirective | undefined {
  return data.get(name.toLowerCase());
}

/** Directives that may also stand in brackets, and those that NASM itself defines as macros. */
const directives: ReadonlySet<string> = new Set(
  'bits use16 use32 org section segment absolute global extern common static required cpu default warning float list map sectalign align alignb struc endstruc istruc at iend equ incbin times'.split(
    ' ',
  ),
);

export function isDirective(name: string): boolean {
  const lower = name.toLowerCase();
  return directives.has(lower) || data.has(lower);
}

const prefixes: ReadonlySet<string> = new Set(
  'lock rep repe repz repne repnz a16 a32 a64 o16 o32 o64 cs ds es ss fs gs'.split(' '),
);

export function isPrefix(name: string): boolean {
  return prefixes.has(name.toLowerCase());
}

/** True for a word that begins a statement after its label. */
export function isOperation(name: string): boolean {
  return isDirective(name) || isMnemonic(name);
}

/** Sizes in bytes of the operand keywords. */
export const sizeKeywords: ReadonlyMap<string, number> = new Map([
  ['byte', 1],
  ['word', 2],
  ['dword', 4],
  ['qword', 8],
  ['tword', 10],
  ['oword', 16],
  ['yword', 32],
  ['zword', 64],
]);

/** Edit steps between two words, a swap of neighbours counting as one; more than `limit` need not be exact. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (before[j - 2] ?? 0) + 1);
      next.push(best);
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? limit + 1;
}

/** ` Did you mean "x"?` for the nearest of `candidates`, or an empty text when none is near. */
export function suggestion(word: string, candidates: Iterable<string>): string {
  const lower = word.toLowerCase();
  const limit = lower.length <= 3 ? 1 : 2;
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    const length = distance(lower, candidate.toLowerCase(), limit);
    if (length < bestDistance && length > 0) {
      best = candidate;
      bestDistance = length;
    }
  }
  return best === undefined ? '' : ` Did you mean "${best}"?`;
}

/** Names that a mistyped operation may have meant. */
export function* operationNames(): Generator<string> {
  yield* directives;
  yield* data.keys();
  for (const [name, forms] of instructionForms())
    if (forms.some((form) => form.modes[32] || form.modes[16])) yield name;
  yield* aliases.keys();
}
