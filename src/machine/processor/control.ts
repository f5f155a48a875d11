/** Control and debug registers, and the instructions that run the processor itself: HLT, INVLPG, CPUID, RDTSC, MSRs (Intel SDM 2). */
import { OFF } from '../../engine/state';
import { GP, GuestFault, UD } from '../../x86/exceptions';
import { Code, type DecodedInstruction, OpKind, Register } from '../../x86/iced';
import {
  CR0_AM,
  CR0_CD,
  CR0_EM,
  CR0_ET,
  CR0_MP,
  CR0_NE,
  CR0_NW,
  CR0_PE,
  CR0_PG,
  CR0_TS,
  CR0_WP,
  CR4_DE,
  CR4_MCE,
  CR4_PAE,
  CR4_PCIDE,
  CR4_PGE,
  CR4_PSE,
  CR4_SMAP,
  CR4_SMEP,
  CR4_TSD,
  CR4_UMIP,
  CR4_VMXE,
} from '../../x86/paging-bits';
import type { FeatureName } from '../../x86/profiles';
import { RAX, RBX, RCX, RDX } from '../../x86/registers';
import { type CpuContext, UnsupportedFeature } from './context';
import type { SystemRow } from './handlers';
import {
  effectiveAddress,
  gprNumber,
  operandLinear,
  readOperand,
  requireRing0,
  segmentNumber,
  storeWord,
} from './operands';
import { requireNoUmip } from './table-registers';

const CR0_KEPT = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_AM | CR0_NW | CR0_CD | CR0_PG;

/** CR4 bits with the feature that brings them, and whether the simulator acts on them. */
const CR4_BITS: readonly (readonly [bit: number, feature: FeatureName, name: string, simulated: boolean])[] = [
  [CR4_TSD, 'tsc', 'TSD', true],
  [CR4_DE, 'tsc', 'DE', true],
  [CR4_PSE, 'pse', 'PSE', true],
  [CR4_PAE, 'pae', 'PAE', false],
  [CR4_MCE, 'tsc', 'MCE', true],
  [CR4_PGE, 'pge', 'PGE', true],
  [CR4_UMIP, 'umip', 'UMIP', true],
  [CR4_VMXE, 'vmx', 'VMXE', true],
  [CR4_PCIDE, 'pcid', 'PCIDE', false],
  [CR4_SMEP, 'smep', 'SMEP', false],
  [CR4_SMAP, 'smap', 'SMAP', false],
];

/** CR0 as a write of `value` leaves it, checked. @throws GuestFault #GP(0); UnsupportedFeature for real-address mode */
function checkedCr0(ctx: CpuContext, value: number): number {
  const withoutProtection = (value & CR0_PE) === 0;
  if ((value & CR0_PG) !== 0 && withoutProtection) throw new GuestFault(GP, 0);
  if ((value & CR0_NW) !== 0 && (value & CR0_CD) === 0) throw new GuestFault(GP, 0);
  if (withoutProtection) throw new UnsupportedFeature('real-address mode (CR0.PE cleared)', ctx.state.eip);
  const kept = CR0_KEPT | (ctx.profile.features.wp ? CR0_WP : 0);
  return ((value & kept) | CR0_ET) >>> 0;
}

/** CR4 as a write of `value` leaves it. @throws GuestFault #GP(0) on bits the profile lacks */
function checkedCr4(ctx: CpuContext, value: number): number {
  let known = 0;
  for (const [bit, feature, name, simulated] of CR4_BITS) {
    if (!ctx.profile.features[feature]) continue;
    known |= bit;
    if (!simulated && (value & bit) !== 0) throw new UnsupportedFeature(`CR4.${name}`, ctx.state.eip);
  }
  if ((value & ~known) !== 0) throw new GuestFault(GP, 0);
  return value >>> 0;
}

function setCr0(ctx: CpuContext, value: number): void {
  const checked = checkedCr0(ctx, value);
  const old = ctx.state.cr0;
  ctx.state.cr0 = checked;
  ctx.controlRegisterWritten(0, old);
}

function movFromControl(ctx: CpuContext, instruction: DecodedInstruction): void {
  const register = (instruction.opRegisters[1] ?? Register.CR0) - Register.CR0;
  const gpr = gprNumber(instruction.opRegisters[0] ?? Register.None);
  const { state } = ctx;
  if (register === 2) {
    requireRing0(ctx);
    state.setGpr(gpr, state.cr2);
    return;
  }
  if (register !== 0 && register !== 3 && register !== 4) throw new GuestFault(UD);
  requireRing0(ctx);
  const actual = register === 0 ? state.cr0 : register === 3 ? state.cr3 : state.cr4;
  state.setGpr(gpr, ctx.vmx?.inNonRoot === true ? ctx.vmx.readControl(register, gpr) : actual);
}

function movToControl(ctx: CpuContext, instruction: DecodedInstruction): void {
  const register = (instruction.opRegisters[0] ?? Register.CR0) - Register.CR0;
  const gpr = gprNumber(instruction.opRegisters[1] ?? Register.None);
  const { state } = ctx;
  const source = state.gpr(gpr);
  if (register === 2) {
    requireRing0(ctx);
    state.cr2 = source;
    return;
  }
  if (register !== 0 && register !== 3 && register !== 4) throw new GuestFault(UD);
  requireRing0(ctx);
  const value = ctx.vmx === undefined ? source : ctx.vmx.writeControl(register, source, gpr);
  if (register === 0) {
    setCr0(ctx, value);
  } else if (register === 3) {
    const old = state.cr3;
    state.cr3 = value;
    ctx.controlRegisterWritten(3, old);
  } else {
    const checked = checkedCr4(ctx, value);
    const old = state.cr4;
    state.cr4 = checked;
    ctx.controlRegisterWritten(4, old);
  }
}

function clts(ctx: CpuContext): void {
  requireRing0(ctx);
  if (ctx.vmx !== undefined && !ctx.vmx.clts()) return;
  setCr0(ctx, ctx.state.cr0 & ~CR0_TS);
}

function smsw(ctx: CpuContext, instruction: DecodedInstruction): void {
  requireNoUmip(ctx);
  const value = ctx.vmx?.inNonRoot === true ? ctx.vmx.readControl(0) : ctx.state.cr0;
  storeWord(ctx, instruction, 0, value);
}

/** LMSW writes PE, MP, EM and TS, and cannot clear PE. */
function lmsw(ctx: CpuContext, instruction: DecodedInstruction): void {
  requireRing0(ctx);
  const source = readOperand(ctx, instruction, 0, 2);
  const linear = instruction.opKinds[0] === OpKind.Register ? undefined : operandLinear(ctx, instruction, 2, false);
  const { cr0 } = ctx.state;
  const plain = (cr0 & ~0xe) | (source & 0xf);
  setCr0(ctx, ctx.vmx === undefined ? plain : ctx.vmx.lmsw(source, linear));
}

const DEBUG_STRIDE = 8;
/** Bits that always read as one. */
const DR6_FIXED = 0xffff0ff0;
const DR7_FIXED = 0x400;
/** DR7 bits that arm breakpoints or general detect. */
const DR7_ARMED = 0x20ff;

/** DR4 and DR5 are other names of DR6 and DR7 unless CR4.DE forbids it. */
function debugRegister(ctx: CpuContext, register: Register): number {
  const number = register - Register.DR0;
  if (number > 7) throw new GuestFault(UD);
  if (number !== 4 && number !== 5) return number;
  if ((ctx.state.cr4 & CR4_DE) !== 0) throw new GuestFault(UD);
  return number + 2;
}

function movFromDebug(ctx: CpuContext, instruction: DecodedInstruction): void {
  const number = debugRegister(ctx, instruction.opRegisters[1] ?? Register.None);
  const gpr = gprNumber(instruction.opRegisters[0] ?? Register.None);
  requireRing0(ctx);
  ctx.vmx?.debugRegister(number, 'from', gpr);
  const fixed = number === 6 ? DR6_FIXED : number === 7 ? DR7_FIXED : 0;
  ctx.state.setGpr(gpr, (ctx.state.word(OFF.dr + number * DEBUG_STRIDE) | fixed) >>> 0);
}

function movToDebug(ctx: CpuContext, instruction: DecodedInstruction): void {
  const number = debugRegister(ctx, instruction.opRegisters[0] ?? Register.None);
  const gpr = gprNumber(instruction.opRegisters[1] ?? Register.None);
  requireRing0(ctx);
  ctx.vmx?.debugRegister(number, 'to', gpr);
  const value = ctx.state.gpr(gpr);
  if (number === 7 && (value & DR7_ARMED) !== 0) {
    throw new UnsupportedFeature('breakpoints in the debug registers (DR7)', ctx.state.eip);
  }
  const fixed = number === 6 ? DR6_FIXED : number === 7 ? DR7_FIXED : 0;
  ctx.state.setWord(OFF.dr + number * DEBUG_STRIDE, (value | fixed) >>> 0);
}

function requireFeature(ctx: CpuContext, feature: FeatureName): void {
  if (!ctx.profile.features[feature]) throw new GuestFault(UD);
}

function hlt(ctx: CpuContext): void {
  requireRing0(ctx);
  ctx.vmx?.intercept('hlt');
  ctx.halt();
}

function invlpg(ctx: CpuContext, instruction: DecodedInstruction): void {
  requireFeature(ctx, 'invlpg');
  requireRing0(ctx);
  const { state } = ctx;
  const base = state.base(segmentNumber(instruction.memorySegment));
  const linear = (base + effectiveAddress(state, instruction)) >>> 0;
  ctx.vmx?.intercept('invlpg', linear, linear);
  ctx.invalidatePage(linear);
}

const cacheFlush =
  (name: 'invd' | 'wbinvd') =>
  (ctx: CpuContext): void => {
    // Both came with the 486, as INVLPG did. There are no caches to write back.
    requireFeature(ctx, 'invlpg');
    requireRing0(ctx);
    ctx.vmx?.intercept(name);
  };

function cpuidInstruction(ctx: CpuContext): void {
  requireFeature(ctx, 'cpuid');
  ctx.vmx?.intercept('cpuid');
  const { state } = ctx;
  const answer = ctx.cpuid(state.gpr(RAX), state.gpr(RCX));
  state.setGpr(RAX, answer.eax);
  state.setGpr(RBX, answer.ebx);
  state.setGpr(RCX, answer.ecx);
  state.setGpr(RDX, answer.edx);
}

function setEdxEax(ctx: CpuContext, value: bigint): void {
  ctx.state.setGpr(RAX, Number(value & 0xffffffffn));
  ctx.state.setGpr(RDX, Number((value >> 32n) & 0xffffffffn));
}

function rdtsc(ctx: CpuContext): void {
  requireFeature(ctx, 'tsc');
  if ((ctx.state.cr4 & CR4_TSD) !== 0) requireRing0(ctx);
  ctx.vmx?.intercept('rdtsc');
  setEdxEax(ctx, BigInt(ctx.timeStampCounter()) + ctx.state.long(OFF.tscOffset));
}

function rdpmc(ctx: CpuContext): void {
  requireFeature(ctx, 'tsc');
  requireRing0(ctx);
  ctx.vmx?.intercept('rdpmc');
  // There are no performance counters, so every index is out of range.
  throw new GuestFault(GP, 0);
}

function rdmsr(ctx: CpuContext): void {
  requireFeature(ctx, 'msr');
  requireRing0(ctx);
  ctx.vmx?.intercept('rdmsr');
  const value = ctx.readMsr(ctx.state.gpr(RCX));
  if (value === undefined) throw new GuestFault(GP, 0);
  setEdxEax(ctx, value);
}

function wrmsr(ctx: CpuContext): void {
  requireFeature(ctx, 'msr');
  requireRing0(ctx);
  ctx.vmx?.intercept('wrmsr');
  const value = (BigInt(ctx.state.gpr(RDX)) << 32n) | BigInt(ctx.state.gpr(RAX));
  if (!ctx.writeMsr(ctx.state.gpr(RCX), value)) throw new GuestFault(GP, 0);
}

export const CONTROL_INSTRUCTIONS: readonly SystemRow[] = [
  [[Code.Mov_r32_cr], movFromControl],
  [[Code.Mov_cr_r32], movToControl],
  [[Code.Mov_r32_dr], movFromDebug],
  [[Code.Mov_dr_r32], movToDebug],
  [[Code.Clts], clts],
  [[Code.Smsw_rm16, Code.Smsw_r32m16], smsw],
  [[Code.Lmsw_rm16, Code.Lmsw_r32m16], lmsw],
  [[Code.Hlt], hlt],
  [[Code.Invlpg_m], invlpg],
  [[Code.Invd], cacheFlush('invd')],
  [[Code.Wbinvd], cacheFlush('wbinvd')],
  [[Code.Cpuid], cpuidInstruction],
  [[Code.Rdtsc], rdtsc],
  [[Code.Rdpmc], rdpmc],
  [[Code.Rdmsr], rdmsr],
  [[Code.Wrmsr], wrmsr],
];
