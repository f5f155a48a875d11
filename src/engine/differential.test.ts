/** The generated interpreter against the direct evaluator, over random programs with faults in the middle. */
import { describe, expect, it } from 'vitest';
import { type DecodedInstruction, decode, Register } from '../x86/iced';
import { instructionForm, isSystemInstruction } from '../x86/instruction-table';
import { RCX, RDI, RSI } from '../x86/registers';
import { BenchMachine } from './bench-machine.test-support';
import type { EngineOptions } from './engine';
import { STATE_SIZE } from './state';

/** Mulberry32: a small seeded generator. */
function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

const CODE = 0x1000;
const DATA = 0x8000;
/** More pages than the TLB has entries; the second is read-only, the third absent. */
const DATA_PAGES = 24;
const DATA_SIZE = (DATA_PAGES + 1) * 0x1000;
const TWO_BYTE = [
  ...Array.from({ length: 16 }, (_, i) => 0x40 + i),
  ...Array.from({ length: 32 }, (_, i) => 0x80 + i),
  0xa3,
  0xa4,
  0xa5,
  0xab,
  0xac,
  0xad,
  0xaf,
  0xb0,
  0xb1,
  0xb3,
  0xb6,
  0xb7,
  0xba,
  0xbb,
  0xbc,
  0xbd,
  0xbe,
  0xbf,
  0xc0,
  0xc1,
  ...Array.from({ length: 8 }, (_, i) => 0xc8 + i),
  0x1f,
];

/** One random instruction; memory operands mostly point near DATA. */
function instructionBytes(next: () => number): number[] {
  const bytes: number[] = [];
  const pick = next() % 100;
  // Reload a register with an address or a number, so that operands stay interesting.
  if (pick < 18) {
    const register = next() % 8;
    const near = next() % 3 !== 0;
    const value = near ? DATA + (next() % DATA_SIZE) : ([0, 1, 0x80, 0x7fffffff, 0x80000000, next()][next() % 6] ?? 0);
    return load(register, value);
  }
  if (next() % 12 === 0) bytes.push(0x66);
  if (next() % 40 === 0) bytes.push(0x67);
  if (next() % 12 === 0) bytes.push(next() % 2 === 0 ? 0xf3 : 0xf2);
  if (next() % 40 === 0) bytes.push([0x26, 0x36, 0x3e, 0x64][next() % 4] ?? 0x26);
  if (next() % 4 === 0) bytes.push(0x0f, TWO_BYTE[next() % TWO_BYTE.length] ?? 0xaf);
  else bytes.push(next() % 5 === 0 ? 0xd0 + (next() % 4) : next() % 256);
  const mod = next() % 4;
  const rm = next() % 8;
  bytes.push((mod << 6) | ((next() % 8) << 3) | rm);
  if (rm === 4) bytes.push(next() % 256);
  for (let i = 0; i < 8; i++) bytes.push(next() % 4 === 0 ? next() % 256 : next() % 24);
  return bytes;
}

/** MOV r32, imm32. */
function load(register: number, value: number): number[] {
  return [0xb8 + register, value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
}

/** Mostly gives the registers that an instruction addresses with values that lead to the data. */
function setUp(instruction: DecodedInstruction, next: () => number): number[] {
  if (next() % 8 === 0) return [];
  const bytes: number[] = [];
  const { memory } = instruction;
  if (memory !== undefined && memory.base >= Register.EAX && memory.base <= Register.EDI) {
    bytes.push(...load(memory.base - Register.EAX, DATA + (next() % DATA_SIZE)));
  }
  if (memory !== undefined && memory.index >= Register.EAX && memory.index <= Register.EDI) {
    bytes.push(...load(memory.index - Register.EAX, next() % 64));
  }
  if (instructionForm(instruction.code)?.isString === true) {
    for (const register of [RSI, RDI]) bytes.push(...load(register, DATA + (next() % DATA_SIZE)));
    bytes.push(...load(RCX, next() % 9));
  }
  return bytes;
}

function program(seed: number): number[] {
  const next = random(seed);
  const code: number[] = [];
  while (code.length < 700) {
    const bytes = instructionBytes(next);
    const instruction = decode(Uint8Array.from(bytes), 32, 0n);
    if (instruction.isInvalid || isSystemInstruction(instruction.code)) continue;
    code.push(...setUp(instruction, next), ...bytes.slice(0, instruction.length));
  }
  return code;
}

function machine(seed: number, options: EngineOptions): BenchMachine {
  const m = new BenchMachine(0x30000, options);
  const next = random(seed ^ 0x5eed);
  // Code at the end of a page, so that programs cross into the next one, whose host page lies elsewhere.
  m.map(CODE, CODE, 1);
  m.map(CODE + 0x1000, 0x12000, 1);
  m.map(DATA, 0x4000, 1);
  m.map(DATA + 0x1000, 0x5000, 1, false);
  m.map(DATA + 0x3000, 0x13000, DATA_PAGES - 3);
  // The program's own second page again, for stores into code and beside it.
  m.map(DATA + DATA_PAGES * 0x1000, 0x12000, 1);
  const code = program(seed);
  const start = CODE + 0x1000 - 350;
  code.forEach((byte, i) => m.memory.write8(i < 350 ? start + i : 0x12000 + i - 350, byte));
  for (let at = 0x13000; at < 0x30000; at += 4) m.memory.write32(at, next());
  for (let register = 0; register < 8; register++) m.state.setGpr(register, DATA + (next() % DATA_SIZE));
  m.state.setGpr(4, DATA + 0x800);
  m.state.eip = start;
  return m;
}

/** Runs `total` instructions in slices; faults and system instructions are noted and stepped over. */
function trace(m: BenchMachine, total: number, slice: () => number, between: () => void = () => {}): string[] {
  const seen: string[] = [];
  let left = total;
  for (let stops = 0; left > 0 && stops < 100; ) {
    const result = m.engine.run(Math.min(slice(), left));
    left -= result.retired;
    between();
    if (result.reason === 'budget') continue;
    const fault = result.fault as { vector?: number; errorCode?: number; linear?: number; stack?: string } | undefined;
    if (fault !== undefined && fault.vector === undefined) throw result.fault;
    seen.push(
      `${total - left} ${result.reason} ${m.state.eip.toString(16)} ${fault?.vector} ${fault?.errorCode} ${fault?.linear}`,
    );
    stops++;
    // Go on somewhere in the program, the same place in every run.
    m.state.eip = CODE + 0x1000 - 350 + ((stops * 37) % 600);
    const registers = random(stops);
    for (let register = 0; register < 8; register++) m.state.setGpr(register, DATA + (registers() % DATA_SIZE));
  }
  seen.push(`${total - left}`);
  return seen;
}

function outcome(m: BenchMachine, seen: string[]): unknown {
  return {
    seen,
    state: Buffer.from(m.state.u8.slice(0, STATE_SIZE)).toString('hex'),
    memory: Buffer.from(m.memory.readBytes(0, m.memory.size)).toString('base64'),
    log: m.log,
    tlb: m.tlb.save(),
  };
}

const SEEDS = Array.from({ length: Number(process.env.RINGSIDE_SEEDS ?? 12) }, (_, i) => i + 1);

describe('interpreter and evaluator agree on random programs', () => {
  it.each(SEEDS)('seed %i', (seed) => {
    const total = 1500;
    const reference = machine(seed, { evaluatorOnly: true });
    const expected = outcome(
      reference,
      trace(reference, total, () => total),
    );

    const whole = machine(seed, {});
    expect(
      outcome(
        whole,
        trace(whole, total, () => total),
      ),
    ).toEqual(expected);

    const stepped = machine(seed, {});
    expect(
      outcome(
        stepped,
        trace(stepped, total, () => 1),
      ),
    ).toEqual(expected);

    const next = random(seed * 7);
    const sliced = machine(seed, {});
    const forget = (): void => sliced.engine.dropFastEntries(() => next() % 2 === 0);
    expect(
      outcome(
        sliced,
        trace(sliced, total, () => 1 + (next() % 30), forget),
      ),
    ).toEqual(expected);
  });
});
