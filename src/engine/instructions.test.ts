/** Instructions that the host comparison cannot cover (not in 64-bit mode, stack, strings), from vectors worked out by hand. */
import { describe, expect, it } from 'vitest';
import { FLAG_AF, FLAG_CF, FLAG_DF, FLAG_OF, FLAG_PF, FLAG_SF, FLAG_ZF } from '../x86/flags';
import { BenchMachine } from './bench-machine.test-support';

const REGISTERS = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;
type Registers = Partial<Record<(typeof REGISTERS)[number] | 'eip' | 'flags', number>>;

interface Vector {
  readonly name: string;
  readonly code: readonly number[];
  readonly before: Registers;
  /** Bytes at an address before. */
  readonly memory?: readonly [number, readonly number[]];
  /** Only the named registers are compared; all others must be as before. */
  readonly after: Registers;
  readonly stored?: readonly [number, readonly number[]];
  readonly count?: number;
}

const le = (...words: number[]): number[] =>
  words.flatMap((w) => [w & 255, (w >>> 8) & 255, (w >>> 16) & 255, w >>> 24]);
const TOP = 0x8000;

const VECTORS: Vector[] = [
  {
    name: 'push esp stores the old value',
    code: [0x54],
    before: { esp: TOP },
    after: { esp: TOP - 4 },
    stored: [TOP - 4, le(TOP)],
  },
  {
    name: 'pop esp keeps what was popped',
    code: [0x5c],
    before: { esp: TOP },
    memory: [TOP, le(0x1234)],
    after: { esp: 0x1234 },
  },
  {
    name: 'push imm8 is sign-extended',
    code: [0x6a, 0x80],
    before: { esp: TOP },
    after: { esp: TOP - 4 },
    stored: [TOP - 4, le(0xffffff80)],
  },
  {
    name: 'push ax moves ESP by 2',
    code: [0x66, 0x50],
    before: { esp: TOP, eax: 0xabcd1234 },
    after: { esp: TOP - 2 },
    stored: [TOP - 2, [0x34, 0x12]],
  },
  {
    name: 'push [esp] reads before it moves',
    code: [0xff, 0x34, 0x24],
    before: { esp: TOP },
    memory: [TOP, le(77)],
    after: { esp: TOP - 4 },
    stored: [TOP - 4, le(77)],
  },
  {
    name: 'pop [esp] writes at the new top',
    code: [0x8f, 0x04, 0x24],
    before: { esp: TOP },
    memory: [TOP, le(77, 0)],
    after: { esp: TOP + 4 },
    stored: [TOP + 4, le(77)],
  },
  {
    name: 'pusha in its order, with the old ESP',
    code: [0x60],
    before: { eax: 1, ecx: 2, edx: 3, ebx: 4, esp: TOP, ebp: 6, esi: 7, edi: 8 },
    after: { esp: TOP - 32 },
    stored: [TOP - 32, le(8, 7, 6, TOP, 4, 3, 2, 1)],
  },
  {
    name: 'popa passes over ESP',
    code: [0x61],
    before: { esp: TOP },
    memory: [TOP, le(8, 7, 6, 999, 4, 3, 2, 1)],
    after: { eax: 1, ecx: 2, edx: 3, ebx: 4, esp: TOP + 32, ebp: 6, esi: 7, edi: 8 },
  },
  {
    name: 'pushf',
    code: [0x9c],
    before: { esp: TOP, flags: FLAG_CF | FLAG_DF | 2 },
    after: { esp: TOP - 4 },
    stored: [TOP - 4, le(0x403)],
  },
  {
    name: 'enter 16, 0',
    code: [0xc8, 16, 0, 0],
    before: { esp: TOP, ebp: 5 },
    after: { esp: TOP - 20, ebp: TOP - 4 },
    stored: [TOP - 4, le(5)],
  },
  {
    name: 'enter 8, 2 copies the outer frame pointer',
    code: [0xc8, 8, 0, 2],
    before: { esp: TOP, ebp: 0x9000 },
    memory: [0x8ffc, le(0x55)],
    after: { esp: TOP - 20, ebp: TOP - 4 },
    stored: [TOP - 12, le(TOP - 4, 0x55, 0x9000)],
  },
  { name: 'leave', code: [0xc9], before: { esp: 1, ebp: TOP }, memory: [TOP, le(9)], after: { esp: TOP + 4, ebp: 9 } },
  {
    name: 'call rel32',
    code: [0xe8, 0xfb, 0x0f, 0, 0],
    before: { esp: TOP },
    after: { esp: TOP - 4, eip: 0x2000 },
    stored: [TOP - 4, le(0x1005)],
  },
  {
    name: 'call [esp] uses the old ESP',
    code: [0xff, 0x14, 0x24],
    before: { esp: TOP },
    memory: [TOP, le(0x3000)],
    after: { esp: TOP - 4, eip: 0x3000 },
    stored: [TOP - 4, le(0x1003)],
  },
  {
    name: 'ret 8',
    code: [0xc2, 8, 0],
    before: { esp: TOP },
    memory: [TOP, le(0x2345)],
    after: { esp: TOP + 12, eip: 0x2345 },
  },
  { name: 'jmp ax truncates EIP', code: [0x66, 0xff, 0xe0], before: { eax: 0x12345678 }, after: { eip: 0x5678 } },
  { name: 'jecxz taken', code: [0xe3, 0x10], before: { ecx: 0 }, after: { eip: 0x1012 } },
  { name: 'jcxz looks at CX only', code: [0x67, 0xe3, 0x10], before: { ecx: 0x10000 }, after: { eip: 0x1013 } },
  { name: 'loop counts ECX down', code: [0xe2, 0xfe], before: { ecx: 2 }, after: { ecx: 1, eip: 0x1000 } },
  { name: 'loop ends at zero', code: [0xe2, 0xfe], before: { ecx: 1 }, after: { ecx: 0 } },
  {
    name: 'loope goes on while ZF',
    code: [0xe1, 0x10],
    before: { ecx: 2, flags: FLAG_ZF | 2 },
    after: { ecx: 1, eip: 0x1012 },
  },
  { name: 'loopne stops at ZF', code: [0xe0, 0x10], before: { ecx: 2, flags: FLAG_ZF | 2 }, after: { ecx: 1 } },
  {
    name: 'xlat',
    code: [0xd7],
    before: { eax: 0x11111103, ebx: 0x4000 },
    memory: [0x4003, [0x99]],
    after: { eax: 0x11111199 },
  },
  {
    name: 'movsd down',
    code: [0xa5],
    before: { esi: 0x4000, edi: 0x5000, flags: FLAG_DF | 2 },
    memory: [0x4000, le(0xcafe)],
    after: { esi: 0x3ffc, edi: 0x4ffc },
    stored: [0x5000, le(0xcafe)],
  },
  {
    name: 'lodsw',
    code: [0x66, 0xad],
    before: { eax: 0xffffffff, esi: 0x4000 },
    memory: [0x4000, [1, 2]],
    after: { eax: 0xffff0201, esi: 0x4002 },
  },
  {
    name: 'repne scasb finds a byte',
    code: [0xf2, 0xae],
    before: { eax: 3, ecx: 100, edi: 0x4000 },
    memory: [0x4000, [1, 2, 3, 4]],
    after: { ecx: 97, edi: 0x4003, flags: FLAG_ZF | FLAG_PF | 2 },
    count: 3,
  },
  {
    name: 'repe cmpsb stops at the first difference',
    code: [0xf3, 0xa6],
    before: { ecx: 100, esi: 0x4000, edi: 0x4010 },
    memory: [0x4000, [5, 5, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 5, 6]],
    after: { ecx: 97, esi: 0x4003, edi: 0x4013, flags: 2 },
    count: 3,
  },
  { name: 'rep stosd with a zero count', code: [0xf3, 0xab], before: { ecx: 0, edi: 0xfffff000 }, after: {} },
  { name: 'daa', code: [0x27], before: { eax: 0xae }, after: { eax: 0x14, flags: FLAG_CF | FLAG_AF | FLAG_PF | 2 } },
  {
    name: 'das',
    code: [0x2f],
    before: { eax: 0xee },
    after: { eax: 0x88, flags: FLAG_CF | FLAG_AF | FLAG_SF | FLAG_PF | 2 },
  },
  {
    name: 'das keeps the borrow of its first step',
    code: [0x2f],
    before: { eax: 0x02, flags: FLAG_AF | 2 },
    after: { eax: 0xfc, flags: FLAG_CF | FLAG_AF | FLAG_SF | FLAG_PF | 2 },
  },
  { name: 'aaa', code: [0x37], before: { eax: 0x010b }, after: { eax: 0x0201, flags: FLAG_CF | FLAG_AF | 2 } },
  {
    name: 'aas',
    code: [0x3f],
    before: { eax: 0x020c },
    after: { eax: 0x0106, flags: FLAG_CF | FLAG_AF | FLAG_PF | 2 },
  },
  { name: 'aam', code: [0xd4, 10], before: { eax: 63 }, after: { eax: 0x0603, flags: FLAG_PF | 2 } },
  { name: 'aad', code: [0xd5, 10], before: { eax: 0x0603 }, after: { eax: 63, flags: FLAG_PF | 2 } },
  {
    name: 'bts [edi], eax reaches beyond its operand, below it too',
    code: [0x0f, 0xab, 0x07],
    before: { eax: 0xffffffff, edi: 0x4004 },
    after: { flags: 2 },
    stored: [0x4000, le(0x80000000)],
  },
  {
    name: 'lock add',
    code: [0xf0, 0x01, 0x07],
    before: { eax: 5, edi: 0x4000 },
    memory: [0x4000, le(0xfffffffe)],
    after: { flags: FLAG_CF | FLAG_AF | FLAG_PF | 2 },
    stored: [0x4000, le(3)],
  },
  {
    name: 'mov eax, [bx+si] with 16-bit addresses',
    code: [0x67, 0x8b, 0x00],
    before: { ebx: 0xffff3ff0, esi: 0xffff0010 },
    memory: [0x4000, le(42)],
    after: { eax: 42 },
  },
  {
    name: 'movsx, sign into the whole register',
    code: [0x0f, 0xbe, 0x07],
    before: { edi: 0x4000 },
    memory: [0x4000, [0x80]],
    after: { eax: 0xffffff80 },
  },
  {
    name: 'neg of the lowest number overflows',
    code: [0xf7, 0xd8],
    before: { eax: 0x80000000 },
    after: { eax: 0x80000000, flags: FLAG_CF | FLAG_OF | FLAG_SF | FLAG_PF | 2 },
  },
];

function run(vector: Vector, evaluatorOnly: boolean): void {
  const m = new BenchMachine(1 << 16, { evaluatorOnly });
  m.place(0x1000, vector.code);
  if (vector.memory !== undefined) m.memory.writeBytes(vector.memory[0], Uint8Array.from(vector.memory[1]));
  const before = { eip: 0x1000, flags: 2, ...vector.before };
  REGISTERS.forEach((name, i) => m.state.setGpr(i, before[name] ?? 0));
  m.state.eflags = before.flags;
  const seen = (): Required<Registers> => {
    const named = Object.fromEntries(REGISTERS.map((name, i) => [name, m.state.gpr(i)]));
    return { ...named, eip: m.state.eip, flags: m.state.eflags } as Required<Registers>;
  };
  const count = vector.count ?? 1;
  expect(m.engine.run(count)).toMatchObject({ reason: 'budget', retired: count });
  const rest = Object.fromEntries(REGISTERS.map((name) => [name, before[name] ?? 0]));
  const next = 0x1000 + vector.code.length;
  expect(seen()).toEqual({ ...rest, flags: before.flags, eip: next, ...vector.after });
  if (vector.stored !== undefined) {
    expect([...m.memory.readBytes(vector.stored[0], vector.stored[1].length)]).toEqual(vector.stored[1]);
  }
}

describe('instructions by hand-worked vectors', () => {
  it.each(VECTORS)('$name', (vector) => {
    run(vector, false);
    run(vector, true);
  });

  it.each([
    ['div by zero', [0xf7, 0xf1], { eax: 1, ecx: 0 }],
    ['a quotient that does not fit', [0xf7, 0xf1], { eax: 0, edx: 1, ecx: 1 }],
    ['idiv of the lowest number by -1', [0xf7, 0xf9], { eax: 0x80000000, edx: 0xffffffff, ecx: 0xffffffff }],
    ['byte idiv overflow', [0xf6, 0xf9], { eax: 0x80, ecx: 1 }],
    ['aam 0', [0xd4, 0], { eax: 1 }],
  ] as const)('%s raises #DE and changes nothing', (_name, code, before: Registers) => {
    const m = new BenchMachine(1 << 16);
    m.place(0x1000, code);
    REGISTERS.forEach((name, i) => m.state.setGpr(i, before[name] ?? 0));
    expect(m.engine.run(1)).toMatchObject({ reason: 'fault', retired: 0, fault: { vector: 0 } });
    expect(REGISTERS.map((_, i) => m.state.gpr(i))).toEqual(REGISTERS.map((name) => before[name] ?? 0));
    expect(m.state.eip).toBe(0x1000);
  });

  it.each([
    ['lock on a register destination', [0xf0, 0x01, 0xc0]],
    ['lock on mov', [0xf0, 0x89, 0x07]],
    ['ud2', [0x0f, 0x0b]],
  ])('%s is for the processor', (_name, code) => {
    const m = new BenchMachine(1 << 16);
    m.place(0x1000, code);
    expect(m.engine.run(1)).toMatchObject({ reason: 'system', retired: 0 });
  });
});
