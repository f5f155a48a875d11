/** Operands of system instructions: registers, memory with the segment checks (Intel SDM 3A, "Protection"), and immediates. */
import { linearAddress } from '../../engine/segmentation';
import type { CpuState } from '../../engine/state';
import { GP, GuestFault } from '../../x86/exceptions';
import { type DecodedInstruction, OpKind, Register } from '../../x86/iced';
import type { SegmentIndex } from '../../x86/registers';
import type { CpuContext } from './context';

/** Number of a general register of 16 or 32 bits, in the encoding's order. */
export function gprNumber(register: Register): number {
  return register >= Register.EAX ? register - Register.EAX : register - Register.AX;
}

/** ES, CS, SS, DS, FS or GS as a segment index. */
export function segmentNumber(register: Register): SegmentIndex {
  // iced numbers the six segment registers in the encoding's order.
  return (register - Register.ES) as SegmentIndex;
}

function addressRegister(state: CpuState, register: Register): number {
  return register === Register.None ? 0 : state.gpr(gprNumber(register));
}

/** Offset of the memory operand in its segment, wrapped to the address size. */
export function effectiveAddress(state: CpuState, instruction: DecodedInstruction): number {
  const { memory } = instruction;
  if (memory === undefined) return 0;
  const sum =
    addressRegister(state, memory.base) +
    Math.imul(addressRegister(state, memory.index), memory.scale) +
    Number(BigInt.asUintN(32, memory.displacement));
  return (isAddress16(instruction) ? sum & 0xffff : sum) >>> 0;
}

function isAddress16(instruction: DecodedInstruction): boolean {
  const { memory } = instruction;
  if (memory === undefined) return false;
  const named = memory.base !== Register.None ? memory.base : memory.index;
  if (named !== Register.None) return named >= Register.AX && named < Register.EAX;
  return memory.displacementSize === 2;
}

/** Linear address of the memory operand, `size` bytes long, plus `skip` bytes. */
export function operandLinear(
  ctx: CpuContext,
  instruction: DecodedInstruction,
  size: number,
  write: boolean,
  skip = 0,
): number {
  const offset = effectiveAddress(ctx.state, instruction) + skip;
  return linearAddress(ctx.state, segmentNumber(instruction.memorySegment), offset, size, write);
}

/** Reads a register or memory operand of 2 or 4 bytes. */
export function readOperand(ctx: CpuContext, instruction: DecodedInstruction, index: number, size: 2 | 4): number {
  const register = instruction.opRegisters[index] ?? Register.None;
  if (instruction.opKinds[index] !== OpKind.Register) {
    return ctx.memory.read(operandLinear(ctx, instruction, size, false), size);
  }
  const value = ctx.state.gpr(gprNumber(register));
  return size === 2 ? value & 0xffff : value;
}

/** Writes a general register; 16-bit writes keep the upper half. */
export function writeRegister(state: CpuState, register: Register, value: number): void {
  const gpr = gprNumber(register);
  if (register >= Register.EAX) state.setGpr(gpr, value >>> 0);
  else state.setGpr(gpr, ((state.gpr(gpr) & 0xffff0000) | (value & 0xffff)) >>> 0);
}

/** Stores a selector-like value: memory operands take 16 bits, registers their own width (zero-extended). */
export function storeWord(ctx: CpuContext, instruction: DecodedInstruction, index: number, value: number): void {
  if (instruction.opKinds[index] === OpKind.Register) {
    writeRegister(ctx.state, instruction.opRegisters[index] ?? Register.None, value);
  } else {
    ctx.memory.write(operandLinear(ctx, instruction, 2, true), 2, value & 0xffff);
  }
}

/** The second word of the memory operand read as a far pointer, and its offset. */
export function readFarPointer(
  ctx: CpuContext,
  instruction: DecodedInstruction,
  size: 2 | 4,
): { selector: number; offset: number } {
  const offset = ctx.memory.read(operandLinear(ctx, instruction, size, false), size);
  const selector = ctx.memory.read(operandLinear(ctx, instruction, 2, false, size), 2);
  return { selector, offset };
}

/** @throws GuestFault #GP(0) above ring 0 */
export function requireRing0(ctx: CpuContext): void {
  if (ctx.state.cpl !== 0) throw new GuestFault(GP, 0);
}
