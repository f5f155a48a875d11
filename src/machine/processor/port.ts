/** IN, OUT, INS and OUTS, with IOPL and the TSS's I/O permission bitmap (Intel SDM 1, "Input/Output"; 2, "IN", "INS"). */
import { linearAddress } from '../../engine/segmentation';
import { OFF } from '../../engine/state';
import { segmentType, SystemType } from '../../x86/descriptors';
import { GP, GuestFault } from '../../x86/exceptions';
import { FLAG_DF } from '../../x86/flags';
import { Code, type DecodedInstruction, OpKind } from '../../x86/iced';
import { ES, RAX, RCX, RDI, RDX, RSI, TR } from '../../x86/registers';
import type { CpuContext } from './context';
import { ioPrivilegeLevel } from './flags';
import type { Outcome, SystemRow } from './handlers';
import { segmentNumber } from './operands';

type PortSize = 1 | 2 | 4;

/** Offset in a 32-bit TSS of the bitmap's own offset. */
const IO_MAP_BASE = 0x66;

/** @throws GuestFault #GP(0) when neither IOPL nor the permission bitmap allows the ports */
function requirePorts(ctx: CpuContext, port: number, size: PortSize): void {
  const { state } = ctx;
  if (state.cpl <= ioPrivilegeLevel(ctx)) return;
  const type = segmentType(state.attributes(TR));
  const limit = state.limit(TR);
  const has32 = type === SystemType.tss32Busy || type === SystemType.tss32Available;
  if (!has32 || limit < IO_MAP_BASE + 1) throw new GuestFault(GP, 0);
  const base = state.base(TR);
  const at = ctx.memory.read((base + IO_MAP_BASE) >>> 0, 2, true) + (port >>> 3);
  // Two bytes are read whatever the size, which is why the bitmap ends with a byte of ones.
  if (at + 1 > limit) throw new GuestFault(GP, 0);
  const bits = ctx.memory.read((base + at) >>> 0, 2, true) >>> (port & 7);
  if ((bits & ((1 << size) - 1)) !== 0) throw new GuestFault(GP, 0);
}

function accumulator(ctx: CpuContext, size: PortSize): number {
  const eax = ctx.state.gpr(RAX);
  return size === 4 ? eax : eax & (size === 2 ? 0xffff : 0xff);
}

function setAccumulator(ctx: CpuContext, size: PortSize, value: number): void {
  const mask = size === 4 ? 0xffffffff : size === 2 ? 0xffff : 0xff;
  ctx.state.setGpr(RAX, ((ctx.state.gpr(RAX) & ~mask) | (value & mask)) >>> 0);
}

const transfer =
  (size: PortSize, direction: 'in' | 'out', immediate: boolean) =>
  (ctx: CpuContext, instruction: DecodedInstruction): void => {
    const port = immediate ? Number(instruction.immediate & 0xffn) : ctx.state.gpr(RDX) & 0xffff;
    requirePorts(ctx, port, size);
    ctx.vmx?.port({ port, size, direction, immediate });
    if (direction === 'in') setAccumulator(ctx, size, ctx.portIn(port, size));
    else ctx.portOut(port, size, accumulator(ctx, size));
  };

/** Address size of a string instruction, in bits. */
function stringAddressBits(instruction: DecodedInstruction): 16 | 32 {
  const is16 = instruction.opKinds.some(
    (kind) => kind === OpKind.MemorySegSI || kind === OpKind.MemoryESDI || kind === OpKind.MemorySegDI,
  );
  return is16 ? 16 : 32;
}

const string =
  (size: PortSize, direction: 'in' | 'out') =>
  (ctx: CpuContext, instruction: DecodedInstruction): Outcome => {
    const { state } = ctx;
    const mask = stringAddressBits(instruction) === 16 ? 0xffff : 0xffffffff;
    const rep = instruction.rep || instruction.repne;
    const count = (state.gpr(RCX) & mask) >>> 0;
    if (rep && count === 0) return undefined;
    const port = state.gpr(RDX) & 0xffff;
    requirePorts(ctx, port, size);
    const index = direction === 'in' ? RDI : RSI;
    const offset = (state.gpr(index) & mask) >>> 0;
    const segment = direction === 'in' ? ES : segmentNumber(instruction.memorySegment);
    // The exit comes before the checks of the memory operand, and reports its address without them.
    ctx.vmx?.port({ port, size, direction, string: true, rep, linear: (state.base(segment) + offset) >>> 0 });
    const linear = linearAddress(state, segment, offset, size, direction === 'in');
    if (direction === 'in') {
      ctx.memory.checkWrite(linear, size);
      ctx.memory.write(linear, size, ctx.portIn(port, size));
    } else ctx.portOut(port, size, ctx.memory.read(linear, size));
    const step = (state.word(OFF.flagsSystem) & FLAG_DF) === 0 ? size : -size;
    state.setGpr(index, merge(state.gpr(index), offset + step, mask));
    if (!rep) return undefined;
    state.setGpr(RCX, merge(state.gpr(RCX), count - 1, mask));
    return count === 1 ? undefined : 'stay';
  };

function merge(old: number, value: number, mask: number): number {
  return ((old & ~mask) | (value & mask)) >>> 0;
}

export const PORT_INSTRUCTIONS: readonly SystemRow[] = [
  [[Code.In_AL_imm8], transfer(1, 'in', true)],
  [[Code.In_AX_imm8], transfer(2, 'in', true)],
  [[Code.In_EAX_imm8], transfer(4, 'in', true)],
  [[Code.In_AL_DX], transfer(1, 'in', false)],
  [[Code.In_AX_DX], transfer(2, 'in', false)],
  [[Code.In_EAX_DX], transfer(4, 'in', false)],
  [[Code.Out_imm8_AL], transfer(1, 'out', true)],
  [[Code.Out_imm8_AX], transfer(2, 'out', true)],
  [[Code.Out_imm8_EAX], transfer(4, 'out', true)],
  [[Code.Out_DX_AL], transfer(1, 'out', false)],
  [[Code.Out_DX_AX], transfer(2, 'out', false)],
  [[Code.Out_DX_EAX], transfer(4, 'out', false)],
  [[Code.Insb_m8_DX], string(1, 'in')],
  [[Code.Insw_m16_DX], string(2, 'in')],
  [[Code.Insd_m32_DX], string(4, 'in')],
  [[Code.Outsb_DX_m8], string(1, 'out')],
  [[Code.Outsw_DX_m16], string(2, 'out')],
  [[Code.Outsd_DX_m32], string(4, 'out')],
];
