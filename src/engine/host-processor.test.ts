/** Results and defined flags of register instructions against the processor that the tests run on. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FLAG_AF, FLAG_CF, FLAG_OF, FLAG_PF, FLAG_SF, FLAG_ZF } from '../x86/flags';
import { BenchMachine } from './bench-machine.test-support';

const ALL = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF;
const NO_AF = ALL & ~FLAG_AF;
const CF_OF = FLAG_CF | FLAG_OF;

/** Instruction bytes (the same in 32- and 64-bit mode), and the flags that the manual defines. */
interface Case {
  readonly name: string;
  readonly bytes: readonly number[];
  readonly flags: number;
  /** Shift counts for which the flags are fully defined, put into CL; otherwise CL is free. */
  readonly counts?: readonly number[];
  readonly division?: boolean;
}

const sized = (name: string, byteForm: number[], flags: number, more: Partial<Case> = {}): Case[] => [
  { name: `${name} 8`, bytes: byteForm, flags, ...more },
  { name: `${name} 16`, bytes: [0x66, (byteForm[0] ?? 0) + 1, ...byteForm.slice(1)], flags, ...more },
  { name: `${name} 32`, bytes: [(byteForm[0] ?? 0) + 1, ...byteForm.slice(1)], flags, ...more },
];
/** ModRM: register operand eax or al, extension or source in the middle. */
const modrm = (middle: number): number => 0xc0 | (middle << 3);
const ECX = 1;

const SHIFTS = ['rol', 'ror', 'rcl', 'rcr', 'shl', 'shr', 'sal', 'sar'];
const CASES: Case[] = [
  ...['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp'].flatMap((name, i) =>
    sized(name, [i * 8, modrm(ECX)], ['or', 'and', 'xor'].includes(name) ? NO_AF : ALL),
  ),
  ...sized('test', [0x84, modrm(ECX)], NO_AF),
  ...sized('inc', [0xfe, modrm(0)], ALL),
  ...sized('dec', [0xfe, modrm(1)], ALL),
  ...sized('not', [0xf6, modrm(2)], ALL),
  ...sized('neg', [0xf6, modrm(3)], ALL),
  ...sized('mul', [0xf6, modrm(4) | ECX], CF_OF),
  ...sized('imul', [0xf6, modrm(5) | ECX], CF_OF),
  { name: 'imul r32, r32', bytes: [0x0f, 0xaf, modrm(0) | ECX], flags: CF_OF },
  { name: 'imul r16, r16', bytes: [0x66, 0x0f, 0xaf, modrm(0) | ECX], flags: CF_OF },
  { name: 'imul r32, r32, imm8', bytes: [0x6b, modrm(0) | ECX, 0x85], flags: CF_OF },
  { name: 'div 32', bytes: [0xf7, modrm(6) | ECX], flags: 0, division: true },
  { name: 'idiv 32', bytes: [0xf7, modrm(7) | ECX], flags: 0, division: true },
  ...SHIFTS.flatMap((name, i) => [
    ...sized(`${name} by 1`, [0xd0, modrm(i)], i < 4 ? ALL : NO_AF),
    // Rotates leave the other flags alone; by more than one, OF is undefined (and by zero nothing changes).
    ...sized(`${name} by cl`, [0xd2, modrm(i)], (i < 4 ? ALL : NO_AF) & ~FLAG_OF, {
      counts: i < 4 ? [0, 1, 7, 8, 9, 15, 16, 17, 18, 31, 32, 33] : [0, 1, 3, 7, 32, 37],
    }),
  ]),
  { name: 'shl 32 by cl', bytes: [0xd3, modrm(4)], flags: NO_AF & ~FLAG_OF, counts: [1, 16, 31] },
  { name: 'shld 32', bytes: [0x0f, 0xa5, 0xd0], flags: NO_AF & ~FLAG_OF, counts: [0, 1, 2, 31, 33] },
  { name: 'shrd 32', bytes: [0x0f, 0xad, 0xd0], flags: NO_AF & ~FLAG_OF, counts: [0, 1, 2, 31, 33] },
  { name: 'shld 16', bytes: [0x66, 0x0f, 0xa5, 0xd0], flags: NO_AF & ~FLAG_OF, counts: [0, 1, 2, 15] },
  { name: 'shrd 16', bytes: [0x66, 0x0f, 0xad, 0xd0], flags: NO_AF & ~FLAG_OF, counts: [0, 1, 2, 15] },
  ...[4, 5, 6, 7].map((i) => ({
    name: `bit test /${i}`,
    bytes: [0x0f, 0xba, modrm(i), 0x2b],
    flags: FLAG_CF | FLAG_ZF,
  })),
  ...[0xa3, 0xab, 0xb3, 0xbb].map((op) => ({
    name: `bit test ${op}`,
    bytes: [0x0f, op, 0xc8],
    flags: FLAG_CF | FLAG_ZF,
  })),
  { name: 'bsf', bytes: [0x0f, 0xbc, modrm(0) | ECX], flags: FLAG_ZF },
  { name: 'bsr', bytes: [0x0f, 0xbd, modrm(0) | ECX], flags: FLAG_ZF },
  { name: 'bswap', bytes: [0x0f, 0xc8], flags: ALL },
  ...sized('xchg', [0x86, modrm(ECX)], ALL),
  { name: 'xadd 8', bytes: [0x0f, 0xc0, modrm(ECX)], flags: ALL },
  { name: 'xadd 32', bytes: [0x0f, 0xc1, modrm(ECX)], flags: ALL },
  { name: 'cmpxchg 8', bytes: [0x0f, 0xb0, 0xca], flags: ALL },
  { name: 'cmpxchg 32', bytes: [0x0f, 0xb1, 0xca], flags: ALL },
  ...Array.from({ length: 16 }, (_, i) => ({ name: `setcc ${i}`, bytes: [0x0f, 0x90 + i, modrm(0)], flags: ALL })),
  ...Array.from({ length: 16 }, (_, i) => ({
    name: `cmovcc ${i}`,
    bytes: [0x0f, 0x40 + i, modrm(0) | ECX],
    flags: ALL,
  })),
  ...[0xb6, 0xb7, 0xbe, 0xbf].map((op) => ({ name: `extend ${op}`, bytes: [0x0f, op, modrm(0) | ECX], flags: ALL })),
  { name: 'cwde', bytes: [0x98], flags: ALL },
  { name: 'cbw', bytes: [0x66, 0x98], flags: ALL },
  { name: 'cdq', bytes: [0x99], flags: ALL },
  { name: 'cwd', bytes: [0x66, 0x99], flags: ALL },
  { name: 'cmc', bytes: [0xf5], flags: ALL },
  { name: 'lahf', bytes: [0x9f], flags: ALL },
  { name: 'sahf', bytes: [0x9e], flags: ALL },
];

const VALUES = [
  0, 1, 2, 0x0f, 0x10, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x12345678, 0x7fffffff, 0x80000000, 0xffffffff,
];
const FLAG_INPUTS = [0, FLAG_CF, ALL, FLAG_OF | FLAG_AF];

/** Inputs of a case: eax, ecx, edx and flags. */
function inputs(test: Case): number[][] {
  const found: number[][] = [];
  for (const eax of VALUES) {
    for (const value of test.counts ?? VALUES) {
      const ecx = test.counts === undefined ? value : (0xabcdef00 + value) >>> 0;
      if (test.division === true && (value === 0 || value === 0xffffffff)) continue;
      const edx = test.division === true ? (test.name.startsWith('i') ? ((eax | 0) >> 31) >>> 0 : 0) : 0xc0ffee11;
      for (const flags of FLAG_INPUTS) found.push([eax, ecx, edx, flags]);
    }
  }
  return found;
}

const HARNESS_HEAD = `
#include <stdint.h>
#include <stdio.h>
static void show(uint64_t a, uint64_t c, uint64_t d, uint64_t f) {
  printf("%x %x %x %x\\n", (uint32_t)a, (uint32_t)c, (uint32_t)d, (uint32_t)f & 0x8d5);
}
`;

/** Runs every case on the host; undefined with the reason when that is not possible. */
function hostResults(): number[][] | string {
  if (process.arch !== 'x64') return `the host is ${process.arch}, not x64`;
  const folder = mkdtempSync(join(tmpdir(), 'ringside-host-'));
  try {
    const functions = CASES.map(
      (test, i) => `static void run${i}(uint32_t a0, uint32_t c0, uint32_t d0, uint32_t f0) {
  uint64_t a = a0, c = c0, d = d0, f = f0 | 2;
  asm volatile("pushq %3\\n popfq\\n .byte ${test.bytes.join(',')}\\n pushfq\\n popq %3" : "+a"(a), "+c"(c), "+d"(d), "+r"(f) : : "cc", "memory");
  show(a, c, d, f); }`,
    );
    const calls = CASES.flatMap((test, i) => inputs(test).map((x) => `{${i},${x.map((v) => `${v}u`).join(',')}}`));
    const table = `static void (*const runs[])(uint32_t, uint32_t, uint32_t, uint32_t) = {${CASES.map((_, i) => `run${i}`).join(',')}};
static const uint32_t calls[][5] = {${calls.join(',')}};
int main(void) { for (unsigned i = 0; i < sizeof calls / sizeof calls[0]; i++) runs[calls[i][0]](calls[i][1], calls[i][2], calls[i][3], calls[i][4]); return 0; }`;
    writeFileSync(join(folder, 'host.c'), [HARNESS_HEAD, ...functions, table].join('\n'));
    const program = join(folder, 'host');
    const compiled = spawnSync('gcc', ['-O1', '-mno-red-zone', '-o', program, join(folder, 'host.c')]);
    if (compiled.error !== undefined) return 'there is no gcc';
    if (compiled.status !== 0) throw new Error(`gcc failed: ${compiled.stderr.toString()}`);
    const ran = spawnSync(program, [], { maxBuffer: 1 << 28 });
    if (ran.status !== 0) throw new Error(`the host program ended with ${ran.status ?? ran.signal}`);
    const lines = ran.stdout.toString().trim().split('\n');
    return lines.map((line) => line.split(' ').map((word) => Number.parseInt(word, 16)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const host = hostResults();
if (typeof host === 'string') console.log(`The comparison with the host processor is skipped: ${host}.`);

const oracle = typeof host === 'string' ? ` (skipped: ${host})` : '';
describe.skipIf(typeof host === 'string')(
  `registers and defined flags equal those of the host processor${oracle}`,
  () => {
    const results = typeof host === 'string' ? [] : host;
    const machines: Record<string, BenchMachine> = {
      interpreter: new BenchMachine(0x4000),
      evaluator: new BenchMachine(0x4000, { evaluatorOnly: true }),
    };
    let at = 0;
    for (const test of CASES) {
      const all = inputs(test);
      const expected = results.slice(at, at + all.length);
      at += all.length;
      it.each(Object.entries(machines))(`${test.name}, %s`, (_tier, m) => {
        m.memory.writeBytes(0x1000, Uint8Array.from(test.bytes));
        const wrong: string[] = [];
        all.forEach(([eax = 0, ecx = 0, edx = 0, flags = 0], i) => {
          m.state.setGpr(0, eax);
          m.state.setGpr(1, ecx);
          m.state.setGpr(2, edx);
          m.state.eflags = flags;
          m.state.eip = 0x1000;
          m.engine.run(1);
          const got = [m.state.gpr(0), m.state.gpr(1), m.state.gpr(2), m.state.eflags & test.flags];
          const want = (expected[i] ?? []).map((word, n) => (n === 3 ? word & test.flags : word));
          const text = (words: number[]): string => words.map((word) => (word >>> 0).toString(16)).join(' ');
          if (text(got) !== text(want))
            wrong.push(`${text([eax, ecx, edx, flags])}: got ${text(got)}, host ${text(want)}`);
        });
        expect(expected).toHaveLength(all.length);
        expect(wrong.slice(0, 5)).toEqual([]);
      });
    }
  },
);
