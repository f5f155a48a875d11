/** Model-specific registers that this processor has, as one table (Intel SDM 4, "Model-Specific Registers"). */
import { type CpuState, OFF } from '../../engine/state';
import type { CpuProfile, FeatureName } from '../../x86/profiles';

interface MsrInfo {
  readonly name: string;
  /** The feature that brings the register. */
  readonly feature: FeatureName;
  /** Offset in the state block; undefined for the time-stamp counter. */
  readonly offset?: number;
  /** Bits that can be written; 0n makes it read only, a set bit outside is reserved. */
  readonly writable: bigint;
}

const LONG = 0xffffffffffffffffn;
const WORD = 0xffffffffn;

/** By index. The VMX capability registers belong to the VMX unit and are read through it. */
export const MSRS: ReadonlyMap<number, MsrInfo> = new Map<number, MsrInfo>([
  [0x10, { name: 'IA32_TIME_STAMP_COUNTER', feature: 'tsc', writable: 0n }],
  [0x1b, { name: 'IA32_APIC_BASE', feature: 'pge', offset: OFF.apicBase, writable: 0n }],
  [0x3a, { name: 'IA32_FEATURE_CONTROL', feature: 'vmx', offset: OFF.featureControl, writable: 0n }],
  [0x174, { name: 'IA32_SYSENTER_CS', feature: 'sep', offset: OFF.sysenterCs, writable: WORD }],
  [0x175, { name: 'IA32_SYSENTER_ESP', feature: 'sep', offset: OFF.sysenterEsp, writable: LONG }],
  [0x176, { name: 'IA32_SYSENTER_EIP', feature: 'sep', offset: OFF.sysenterEip, writable: LONG }],
]);

/** SYSENTER_CS has only 32 bits in the state block. */
function isWord(offset: number): boolean {
  return offset === OFF.sysenterCs;
}

/** The value of an MSR, undefined when the profile has no such register. */
export function readStateMsr(state: CpuState, profile: CpuProfile, time: number, index: number): bigint | undefined {
  const info = MSRS.get(index);
  if (info === undefined || !profile.features[info.feature]) return undefined;
  if (info.offset === undefined) return BigInt(time);
  return isWord(info.offset) ? BigInt(state.word(info.offset)) : state.long(info.offset);
}

/** Writes an MSR; false when the profile has none, when it is read only, or when a reserved bit is set. */
export function writeStateMsr(state: CpuState, profile: CpuProfile, index: number, value: bigint): boolean {
  const info = MSRS.get(index);
  if (info?.offset === undefined || !profile.features[info.feature]) return false;
  if (info.writable === 0n || (value & ~info.writable) !== 0n) return false;
  if (isWord(info.offset)) state.setWord(info.offset, Number(value));
  else state.setLong(info.offset, value);
  return true;
}
