/**
 * The state in which a guest starts: what a multiboot loader promises (Multiboot Specification 0.6.96, "Machine state"):
 * 32-bit protected mode, paging off, flat segments, interrupts off, no descriptor tables of its own.
 */
import { AR_DB, AR_G, AR_P, AR_S, type CpuState, OFF } from '../engine/state';
import { CR0_ET, CR0_PE } from '../x86/paging-bits';
import { FLAG_FIXED } from '../x86/flags';
import { CS, DS, ES, FS, GS, LDTR, RAX, SS, TR } from '../x86/registers';

/** EAX at the entry of a kernel that a multiboot loader started. */
export const MULTIBOOT_EAX = 0x2badb002;

const CODE = AR_G | AR_DB | AR_P | AR_S | 0xb;
const DATA = AR_G | AR_DB | AR_P | AR_S | 0x3;
/** LDT and busy 32-bit TSS, present: what the processor holds after reset, and VMX demands of TR. */
const LDT = AR_P | 0x2;
const BUSY_TSS = AR_P | 0xb;
const ALL = 0xffff_ffff;
/** Reset values of DR6, DR7 and IA32_PAT (Intel SDM 3A, "Processor State After Reset"). */
const DR6_RESET = 0xffff_0ff0;
const DR7_RESET = 0x400;
const PAT_RESET = 0x0007_0406_0007_0406n;

export interface StartState {
  /** Linear address of the first instruction. */
  readonly entry: number;
  /** True puts the multiboot magic number into EAX. */
  readonly multiboot: boolean;
}

/** Writes the start state into a state block, real or virtual. */
export function resetState(state: CpuState, start: StartState): void {
  state.u8.fill(0);
  state.eflags = FLAG_FIXED;
  state.cr0 = CR0_PE | CR0_ET;
  state.cpl = 0;
  state.setSegment(CS, 0x08, CODE, 0, ALL);
  for (const segment of [DS, ES, FS, GS, SS] as const) state.setSegment(segment, 0x10, DATA, 0, ALL);
  state.setSegment(LDTR, 0, LDT, 0, 0xffff);
  state.setSegment(TR, 0, BUSY_TSS, 0, 0xffff);
  state.setLong(OFF.dr + 6 * 8, BigInt(DR6_RESET));
  state.setLong(OFF.dr + 7 * 8, BigInt(DR7_RESET));
  state.setLong(OFF.pat, PAT_RESET);
  state.eip = start.entry;
  if (start.multiboot) state.setGpr(RAX, MULTIBOOT_EAX);
}
