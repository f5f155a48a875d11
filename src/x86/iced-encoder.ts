/** Encodes one instruction form with plain operands through iced, with the legacy prefixes in the order NASM writes them. */
import { Encoder, Instruction, MandatoryPrefix, OpCodeOperandKind, OpKind, Register } from 'iced-x86';
import type { Bitness, InstructionForm } from './iced-forms';

export type EncodeOperand =
  | { readonly kind: 'register'; readonly register: Register }
  | { readonly kind: 'immediate'; readonly value: bigint }
  | { readonly kind: 'branch'; readonly target: bigint }
  | { readonly kind: 'far'; readonly selector: bigint; readonly offset: bigint }
  | EncodeMemory;

export interface EncodeMemory {
  readonly kind: 'memory';
  readonly base: Register;
  readonly index: Register;
  readonly scale: number;
  readonly displacement: bigint;
  /** Bytes of displacement to encode: 0, 1, 2, 4 or 8. */
  readonly displacementSize: number;
}

export interface EncodeRequest {
  readonly form: InstructionForm;
  /** One for each written operand of the form, in order. */
  readonly operands: readonly EncodeOperand[];
  readonly bitness: Bitness;
  /** Address of the first byte. */
  readonly address: bigint;
  readonly segment: Register;
  readonly lock: boolean;
  readonly rep: 'none' | 'rep' | 'repne';
  /** Address size in bits of implicit memory operands (string instructions). */
  readonly implicitAddressSize: number;
}

const fixedRegisters: ReadonlyMap<OpCodeOperandKind, Register> = new Map([
  [OpCodeOperandKind.es, Register.ES],
  [OpCodeOperandKind.cs, Register.CS],
  [OpCodeOperandKind.ss, Register.SS],
  [OpCodeOperandKind.ds, Register.DS],
  [OpCodeOperandKind.fs, Register.FS],
  [OpCodeOperandKind.gs, Register.GS],
  [OpCodeOperandKind.al, Register.AL],
  [OpCodeOperandKind.cl, Register.CL],
  [OpCodeOperandKind.ax, Register.AX],
  [OpCodeOperandKind.dx, Register.DX],
  [OpCodeOperandKind.eax, Register.EAX],
  [OpCodeOperandKind.rax, Register.RAX],
  [OpCodeOperandKind.st0, Register.ST0],
]);

/** The register that an operand kind names by itself, if it does. */
export function fixedRegister(kind: OpCodeOperandKind): Register | undefined {
  return fixedRegisters.get(kind);
}

const immediateKinds: ReadonlyMap<OpCodeOperandKind, OpKind> = new Map([
  [OpCodeOperandKind.imm8, OpKind.Immediate8],
  [OpCodeOperandKind.imm8_const_1, OpKind.Immediate8],
  [OpCodeOperandKind.imm8sex16, OpKind.Immediate8to16],
  [OpCodeOperandKind.imm8sex32, OpKind.Immediate8to32],
  [OpCodeOperandKind.imm8sex64, OpKind.Immediate8to64],
  [OpCodeOperandKind.imm16, OpKind.Immediate16],
  [OpCodeOperandKind.imm32, OpKind.Immediate32],
  [OpCodeOperandKind.imm32sex64, OpKind.Immediate32to64],
  [OpCodeOperandKind.imm64, OpKind.Immediate64],
]);

const branchBits: ReadonlyMap<OpCodeOperandKind, 16 | 32 | 64> = new Map([
  [OpCodeOperandKind.br16_1, 16],
  [OpCodeOperandKind.br16_2, 16],
  [OpCodeOperandKind.br32_1, 32],
  [OpCodeOperandKind.br32_4, 32],
  [OpCodeOperandKind.br64_1, 64],
  [OpCodeOperandKind.br64_4, 64],
]);

function implicitMemoryKind(kind: OpCodeOperandKind, addressSize: number): OpKind | undefined {
  const step = addressSize === 16 ? 0 : addressSize === 32 ? 1 : 2;
  if (kind === OpCodeOperandKind.seg_rSI) return OpKind.MemorySegSI + step;
  if (kind === OpCodeOperandKind.seg_rDI) return OpKind.MemorySegDI + step;
  if (kind === OpCodeOperandKind.es_rDI) return OpKind.MemoryESDI + step;
  return undefined;
}

function fillImplicit(instruction: Instruction, index: number, kind: OpCodeOperandKind, addressSize: number): void {
  const register = fixedRegister(kind);
  if (register !== undefined) {
    instruction.setOpKind(index, OpKind.Register);
    instruction.setOpRegister(index, register);
  } else if (kind === OpCodeOperandKind.seg_rBX_al) {
    instruction.setOpKind(index, OpKind.Memory);
    instruction.memoryBase = addressSize === 16 ? Register.BX : addressSize === 32 ? Register.EBX : Register.RBX;
    instruction.memoryIndex = Register.AL;
    instruction.memoryIndexScale = 1;
  } else {
    const memory = implicitMemoryKind(kind, addressSize);
    if (memory !== undefined) instruction.setOpKind(index, memory);
  }
}

function fillBranch(instruction: Instruction, index: number, kind: OpCodeOperandKind, target: bigint): void {
  const bits = branchBits.get(kind) ?? 32;
  if (bits === 16) {
    instruction.setOpKind(index, OpKind.NearBranch16);
    instruction.nearBranch16 = Number(BigInt.asUintN(16, target));
  } else if (bits === 32) {
    instruction.setOpKind(index, OpKind.NearBranch32);
    instruction.nearBranch32 = Number(BigInt.asUintN(32, target));
  } else {
    instruction.setOpKind(index, OpKind.NearBranch64);
    instruction.nearBranch64 = BigInt.asUintN(64, target);
  }
}

function fillOperand(
  instruction: Instruction,
  index: number,
  kind: OpCodeOperandKind,
  operand: EncodeOperand,
  isSecondImmediate: boolean,
): void {
  switch (operand.kind) {
    case 'register':
      instruction.setOpKind(index, OpKind.Register);
      instruction.setOpRegister(index, operand.register);
      return;
    case 'immediate':
      instruction.setOpKind(
        index,
        isSecondImmediate ? OpKind.Immediate8_2nd : (immediateKinds.get(kind) ?? OpKind.Immediate8),
      );
      instruction.setImmediateI64(index, BigInt.asIntN(64, operand.value));
      return;
    case 'branch':
      fillBranch(instruction, index, kind, operand.target);
      return;
    case 'far':
      if (kind === OpCodeOperandKind.farbr2_2) {
        instruction.setOpKind(index, OpKind.FarBranch16);
        instruction.farBranch16 = Number(BigInt.asUintN(16, operand.offset));
      } else {
        instruction.setOpKind(index, OpKind.FarBranch32);
        instruction.farBranch32 = Number(BigInt.asUintN(32, operand.offset));
      }
      instruction.farBranchSelector = Number(BigInt.asUintN(16, operand.selector));
      return;
    case 'memory':
      instruction.setOpKind(index, OpKind.Memory);
      instruction.memoryBase = operand.base;
      instruction.memoryIndex = operand.index;
      instruction.memoryIndexScale = operand.scale;
      instruction.memoryDisplacement = BigInt.asUintN(64, operand.displacement);
      instruction.memoryDisplSize = operand.displacementSize;
      return;
  }
}

// One encoder per width, kept because making one costs more than encoding; nothing of a call stays in it.
const encoders = new Map<Bitness, Encoder>();

function encoderFor(bitness: Bitness): Encoder {
  const known = encoders.get(bitness);
  if (known) return known;
  const encoder = new Encoder(bitness);
  encoders.set(bitness, encoder);
  return encoder;
}

/** The bytes of the instruction, or iced's reason why this form cannot hold these operands. */
export function encodeForm(request: EncodeRequest): Uint8Array | { readonly reason: string } {
  const { form, bitness } = request;
  const instruction = new Instruction();
  const encoder = encoderFor(bitness);
  try {
    instruction.code = form.code;
    let next = 0;
    let immediates = 0;
    form.operands.forEach((kind, index) => {
      const written = form.written.includes(index) ? request.operands[next++] : undefined;
      if (written === undefined) fillImplicit(instruction, index, kind, request.implicitAddressSize);
      else fillOperand(instruction, index, kind, written, written.kind === 'immediate' && immediates++ > 0);
    });
    if (request.segment !== Register.None) instruction.segmentPrefix = request.segment;
    instruction.hasLockPrefix = request.lock;
    if (request.rep === 'rep') instruction.hasRepPrefix = true;
    if (request.rep === 'repne') instruction.hasRepnePrefix = true;
    encoder.encode(instruction, request.address);
    return orderPrefixes(encoder.takeBuffer(), form.mandatoryPrefix);
  } catch (error) {
    encoder.takeBuffer();
    return { reason: error instanceof Error ? error.message : String(error) };
  } finally {
    instruction.free();
  }
}

/** Rank of a legacy prefix byte in NASM's output: repeat, lock, segment, operand size, address size. */
const prefixRank: ReadonlyMap<number, number> = new Map([
  [0xf2, 0],
  [0xf3, 0],
  [0xf0, 1],
  [0x26, 2],
  [0x2e, 2],
  [0x36, 2],
  [0x3e, 2],
  [0x64, 2],
  [0x65, 2],
  [0x66, 3],
  [0x67, 4],
]);

const mandatoryByte: Partial<Record<MandatoryPrefix, number>> = {
  [MandatoryPrefix.P66]: 0x66,
  [MandatoryPrefix.PF3]: 0xf3,
  [MandatoryPrefix.PF2]: 0xf2,
};

function orderPrefixes(bytes: Uint8Array, mandatory: MandatoryPrefix): Uint8Array {
  const rank = (byte: number) => (byte === mandatoryByte[mandatory] ? 5 : (prefixRank.get(byte) ?? 6));
  let count = 0;
  while (count < bytes.length && prefixRank.has(bytes[count] ?? 0)) count++;
  if (count < 2) return bytes;
  const prefixes = [...bytes.subarray(0, count)].sort((a, b) => rank(a) - rank(b));
  bytes.set(prefixes);
  return bytes;
}
