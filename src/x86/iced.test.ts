/** The wrapper around iced: decoding to plain structs, formatting, facts, encoding. */
import { describe, expect, it } from 'vitest';
import {
  Code,
  decode,
  decodeRun,
  encodeForm,
  FlowControl,
  formatNasm,
  instructionForms,
  opCodeFacts,
  OpKind,
  Register,
} from './iced';

const bytes = (...values: number[]) => Uint8Array.from(values);

describe('decode', () => {
  it('gives the parts of a memory operand', () => {
    const one = decode(bytes(0x64, 0x8b, 0x44, 0x8b, 0xfc), 32, 0x1000n);
    expect(one).toMatchObject({
      code: Code.Mov_r32_rm32,
      length: 5,
      isInvalid: false,
      segmentPrefix: Register.FS,
      memorySegment: Register.FS,
    });
    expect(one.memory).toEqual({
      base: Register.EBX,
      index: Register.ECX,
      scale: 4,
      displacement: 0xffff_fffcn,
      displacementSize: 1,
    });
    expect(one.opRegisters[0]).toBe(Register.EAX);
  });

  it('gives targets of near and far branches', () => {
    expect(decode(bytes(0xeb, 0xfe), 32, 0x1000n)).toMatchObject({
      nearBranchTarget: 0x1000n,
      flowControl: FlowControl.UnconditionalBranch,
    });
    expect(decode(bytes(0xea, 0x78, 0x56, 0x34, 0x12, 8, 0), 32, 0n).farBranch).toEqual({
      selector: 8,
      offset: 0x12345678,
    });
  });

  it('gives immediates as unsigned 64-bit numbers, extended as the instruction does', () => {
    expect(decode(bytes(0x83, 0xc0, 0xff), 32, 0n).immediate).toBe(0xffff_ffff_ffff_ffffn & BigInt.asUintN(64, -1n));
    expect(decode(bytes(0xc8, 0x10, 0, 3), 32, 0n)).toMatchObject({ immediate: 16n, immediate2: 3 });
  });

  it('tells truncated from invalid bytes', () => {
    expect(decode(bytes(0x8b), 32, 0n)).toMatchObject({ isInvalid: true, needsMoreBytes: true });
    expect(decode(bytes(0x0f, 0xff, 0xff, 0xff), 32, 0n).needsMoreBytes).toBe(false);
    expect(decode(bytes(0xf0, 0x90), 32, 0n)).toMatchObject({ isInvalid: true, code: Code.INVALID });
  });

  it('knows string operands and prefixes', () => {
    const one = decode(bytes(0xf3, 0xa4), 32, 0n);
    expect(one).toMatchObject({
      code: Code.Movsb_m8_m8,
      rep: true,
      opKinds: [OpKind.MemoryESEDI, OpKind.MemorySegESI],
      memory: undefined,
    });
    expect(decode(bytes(0xf0, 0x01, 0x03), 32, 0n).lock).toBe(true);
  });

  it('runs over several instructions and leaves a truncated last one out', () => {
    const run = decodeRun(bytes(0x90, 0x40, 0xb8, 1, 2), 32, 0x10n, 10);
    expect(run.map(({ ip, length }) => [ip, length])).toEqual([
      [0x10n, 1],
      [0x11n, 1],
    ]);
  });

  it('does not grow the memory of the wasm module', () => {
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().external;
    for (let count = 0; count < 50_000; count++) decode(bytes(0x8b, 0x44, 0x8b, 0xfc), 32, 0n);
    const after = process.memoryUsage().arrayBuffers + process.memoryUsage().external;
    expect(after - before).toBeLessThan(8 << 20);
  });
});

it('formats as NASM writes it', () => {
  expect(formatNasm(bytes(0x0f, 0x01, 0x15, 0, 0x10, 0, 0), 32, 0n)).toBe('lgdt [0x1000]');
});

it('tells privilege, modes, flags and text of an encoding', () => {
  expect(opCodeFacts(Code.Hlt)).toMatchObject({ mnemonic: 'hlt', mustBeCpl0: true, isPrivileged: true });
  expect(opCodeFacts(Code.Popfd).mustBeCpl0).toBe(false);
  expect(opCodeFacts(Code.Adc_rm32_imm8)).toMatchObject({
    instructionText: 'ADC r/m32, imm8',
    opCodeText: 'o32 83 /2 ib',
  });
  expect(opCodeFacts(Code.Swapgs).availableIn).toEqual({ 16: false, 32: false, 64: true });
});

it('encodes a form with the prefixes in the order of NASM', () => {
  const form = instructionForms().get('lodsw')?.[0];
  if (!form) throw new Error('LODSW has no form.');
  const request = {
    operands: [],
    bitness: 32,
    address: 0n,
    segment: Register.ES,
    lock: false,
    rep: 'rep',
    implicitAddressSize: 16,
  } as const;
  expect(encodeForm({ form, ...request })).toEqual(bytes(0xf3, 0x26, 0x66, 0x67, 0xad));
});
