/**
 * The descriptor-table registers and the instructions that look at descriptors without using them: LGDT ... STR, LAR, LSL,
 * VERR, VERW, ARPL (Intel SDM 2, under each name).
 */
import { OFF } from '../../engine/state';
import {
  DESCRIPTOR_BUSY,
  descriptorDpl,
  isCodeOrData,
  isConforming,
  isPresent,
  isReadable,
  isWritableData,
  parseSegment,
  SELECTOR_RPL,
  SELECTOR_TI,
  segmentType,
  SystemType,
} from '../../x86/descriptors';
import { GP, GuestFault, NP } from '../../x86/exceptions';
import { FLAG_ZF } from '../../x86/flags';
import { Code, type DecodedInstruction, OpKind, Register } from '../../x86/iced';
import { CR4_UMIP } from '../../x86/paging-bits';
import { LDTR, TR } from '../../x86/registers';
import type { CpuContext } from './context';
import { findDescriptor, isNull, readDescriptor, selectorFault, setNull } from './descriptor-tables';
import type { SystemHandler, SystemRow } from './handlers';
import { operandLinear, readOperand, requireRing0, storeWord, writeRegister } from './operands';

/** Undefined by the manual for 16-bit operands of the 286; later processors keep 24 bits of base. */
const BASE_16 = 0x00ffffff;

/** SGDT, SIDT, SLDT, STR and SMSW tell outer rings about the system unless UMIP forbids it. */
export function requireNoUmip(ctx: CpuContext): void {
  if (ctx.state.cpl > 0 && (ctx.state.cr4 & CR4_UMIP) !== 0) throw new GuestFault(GP, 0);
}

const load =
  (base: number, limit: number, baseMask: number): SystemHandler =>
  (ctx, instruction) => {
    requireRing0(ctx);
    ctx.vmx?.intercept('gdtrOrIdtr');
    const newLimit = ctx.memory.read(operandLinear(ctx, instruction, 2, false), 2);
    const newBase = ctx.memory.read(operandLinear(ctx, instruction, 4, false, 2), 4);
    ctx.state.setWord(limit, newLimit);
    ctx.state.setWord(base, newBase & baseMask);
  };

const store =
  (base: number, limit: number): SystemHandler =>
  (ctx, instruction) => {
    requireNoUmip(ctx);
    ctx.vmx?.intercept('gdtrOrIdtr');
    const linear = operandLinear(ctx, instruction, 6, true);
    ctx.memory.checkWrite(linear, 6);
    ctx.memory.write(linear, 2, ctx.state.word(limit));
    ctx.memory.write((linear + 2) >>> 0, 4, ctx.state.word(base));
  };

const storeSelector =
  (segment: typeof LDTR | typeof TR): SystemHandler =>
  (ctx, instruction) => {
    requireNoUmip(ctx);
    ctx.vmx?.intercept('ldtrOrTr');
    storeWord(ctx, instruction, 0, ctx.state.selector(segment));
  };

function lldt(ctx: CpuContext, instruction: DecodedInstruction): void {
  requireRing0(ctx);
  ctx.vmx?.intercept('ldtrOrTr');
  const selector = readOperand(ctx, instruction, 0, 2);
  if (isNull(selector)) {
    setNull(ctx, LDTR, selector);
    return;
  }
  if ((selector & SELECTOR_TI) !== 0) throw selectorFault(GP, selector);
  const { attributes, base, limit } = parseSegment(readDescriptor(ctx, selector, GP));
  if (isCodeOrData(attributes) || segmentType(attributes) !== SystemType.ldt) throw selectorFault(GP, selector);
  if (!isPresent(attributes)) throw selectorFault(NP, selector);
  ctx.state.setSegment(LDTR, selector, attributes, base, limit);
}

function ltr(ctx: CpuContext, instruction: DecodedInstruction): void {
  requireRing0(ctx);
  ctx.vmx?.intercept('ldtrOrTr');
  const selector = readOperand(ctx, instruction, 0, 2);
  if (isNull(selector)) throw new GuestFault(GP, 0);
  if ((selector & SELECTOR_TI) !== 0) throw selectorFault(GP, selector);
  const raw = readDescriptor(ctx, selector, GP);
  const { attributes, base, limit } = parseSegment(raw);
  const type = segmentType(attributes);
  const available = type === SystemType.tss16Available || type === SystemType.tss32Available;
  if (isCodeOrData(attributes) || !available) throw selectorFault(GP, selector);
  if (!isPresent(attributes)) throw selectorFault(NP, selector);
  ctx.memory.write((raw.address + 5) >>> 0, 1, ((raw.high | DESCRIPTOR_BUSY) >>> 8) & 0xff, true);
  // Busy is bit 1 of the type.
  ctx.state.setSegment(TR, selector, attributes | 2, base, limit);
}

function setZero(ctx: CpuContext, on: boolean): void {
  const flags = ctx.state.arithmeticFlags;
  ctx.state.arithmeticFlags = on ? flags | FLAG_ZF : flags & ~FLAG_ZF;
}

/** The descriptor of operand `index`, when it exists and this ring may know of it. */
function visibleDescriptor(
  ctx: CpuContext,
  instruction: DecodedInstruction,
  index: number,
  systemTypes: readonly number[],
) {
  const selector = readOperand(ctx, instruction, index, 2);
  const raw = isNull(selector) ? undefined : findDescriptor(ctx, selector);
  if (raw === undefined) return undefined;
  const { attributes, limit } = parseSegment(raw);
  if (!isCodeOrData(attributes) && !systemTypes.includes(segmentType(attributes))) return undefined;
  const dpl = descriptorDpl(attributes);
  const allowed = isConforming(attributes) || (dpl >= ctx.state.cpl && dpl >= (selector & SELECTOR_RPL));
  return allowed ? { high: raw.high, attributes, limit } : undefined;
}

const SEGMENT_TYPES: readonly number[] = [
  SystemType.tss16Available,
  SystemType.ldt,
  SystemType.tss16Busy,
  SystemType.tss32Available,
  SystemType.tss32Busy,
];
const LAR_TYPES: readonly number[] = [
  ...SEGMENT_TYPES,
  SystemType.callGate16,
  SystemType.taskGate,
  SystemType.callGate32,
];

function lar(ctx: CpuContext, instruction: DecodedInstruction): void {
  const found = visibleDescriptor(ctx, instruction, 1, LAR_TYPES);
  if (found !== undefined) {
    // A 16-bit destination takes the low half by itself.
    writeRegister(ctx.state, instruction.opRegisters[0] ?? Register.None, found.high & 0x00f0ff00);
  }
  setZero(ctx, found !== undefined);
}

function lsl(ctx: CpuContext, instruction: DecodedInstruction): void {
  const found = visibleDescriptor(ctx, instruction, 1, SEGMENT_TYPES);
  if (found !== undefined) writeRegister(ctx.state, instruction.opRegisters[0] ?? Register.None, found.limit);
  setZero(ctx, found !== undefined);
}

const verify =
  (usable: (attributes: number) => boolean): SystemHandler =>
  (ctx, instruction) => {
    const found = visibleDescriptor(ctx, instruction, 0, []);
    setZero(ctx, found !== undefined && usable(found.attributes));
  };

function arpl(ctx: CpuContext, instruction: DecodedInstruction): void {
  const inMemory = instruction.opKinds[0] !== OpKind.Register;
  const linear = inMemory ? operandLinear(ctx, instruction, 2, true) : 0;
  if (inMemory) ctx.memory.checkWrite(linear, 2);
  const target = inMemory ? ctx.memory.read(linear, 2) : readOperand(ctx, instruction, 0, 2);
  const source = readOperand(ctx, instruction, 1, 2);
  const raises = (target & SELECTOR_RPL) < (source & SELECTOR_RPL);
  if (raises) {
    const value = (target & ~SELECTOR_RPL) | (source & SELECTOR_RPL);
    if (inMemory) ctx.memory.write(linear, 2, value);
    else writeLow(ctx, instruction, value);
  }
  setZero(ctx, raises);
}

/** ARPL changes 16 bits of a register whatever the operand size. */
function writeLow(ctx: CpuContext, instruction: DecodedInstruction, value: number): void {
  const register = instruction.opRegisters[0] ?? Register.None;
  const word = register >= Register.EAX ? register - Register.EAX + Register.AX : register;
  writeRegister(ctx.state, word, value);
}

export const TABLE_INSTRUCTIONS: readonly SystemRow[] = [
  [[Code.Lgdt_m1632], load(OFF.gdtrBase, OFF.gdtrLimit, 0xffffffff)],
  [[Code.Lgdt_m1632_16], load(OFF.gdtrBase, OFF.gdtrLimit, BASE_16)],
  [[Code.Lidt_m1632], load(OFF.idtrBase, OFF.idtrLimit, 0xffffffff)],
  [[Code.Lidt_m1632_16], load(OFF.idtrBase, OFF.idtrLimit, BASE_16)],
  [[Code.Sgdt_m1632, Code.Sgdt_m1632_16], store(OFF.gdtrBase, OFF.gdtrLimit)],
  [[Code.Sidt_m1632, Code.Sidt_m1632_16], store(OFF.idtrBase, OFF.idtrLimit)],
  [[Code.Sldt_rm16, Code.Sldt_r32m16], storeSelector(LDTR)],
  [[Code.Str_rm16, Code.Str_r32m16], storeSelector(TR)],
  [[Code.Lldt_rm16, Code.Lldt_r32m16], lldt],
  [[Code.Ltr_rm16, Code.Ltr_r32m16], ltr],
  [[Code.Lar_r16_rm16, Code.Lar_r32_r32m16], lar],
  [[Code.Lsl_r16_rm16, Code.Lsl_r32_r32m16], lsl],
  [[Code.Verr_rm16, Code.Verr_r32m16], verify(isReadable)],
  [[Code.Verw_rm16, Code.Verw_r32m16], verify(isWritableData)],
  [[Code.Arpl_rm16_r16, Code.Arpl_r32m16_r32], arpl],
];
