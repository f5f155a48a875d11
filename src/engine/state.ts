/**
 * The state block: everything that an x86 logical processor remembers, at fixed offsets of one small byte range, so that
 * the WebAssembly tiers and TypeScript act on the same words and a save is one copy.
 *
 * The real processor's block lies in the machine's linear memory; a VMM's virtual processor has the same block in a
 * buffer of its own. Arithmetic flags are kept as the values that decide them (see FLAG words) and not as bits.
 */
import { FLAG_AF, FLAG_CF, FLAG_FIXED, FLAG_OF, FLAG_PF, FLAG_SF, FLAG_ZF, ARITHMETIC_FLAGS } from '../x86/flags';
import type { SegmentIndex } from '../x86/registers';

export const STATE_SIZE = 0x400;

/** Byte offsets in the block. Eight-byte fields are little endian; 32-bit modes use and keep the low half. */
export const OFF = {
  gpr: 0x000,
  rip: 0x080,
  /** Always zero: stands for a missing base or index register. */
  zero: 0x088,
  /** ZF is set when this i64 is zero. */
  flagZ: 0x090,
  /** SF is the sign of this i64 (results are sign-extended to it); PF is the even parity of its low byte. */
  flagS: 0x098,
  /** AF is bit 4 of this i32 (operand a xor operand b xor result). */
  flagA: 0x0a0,
  /** CF, 0 or 1, i32. */
  flagC: 0x0a4,
  /** OF, 0 or 1, i32. */
  flagO: 0x0a8,
  /** EFLAGS without the six arithmetic flags (bit 1 set, DF, IF, TF, IOPL, ...), i32. */
  flagsSystem: 0x0ac,
  cpl: 0x0c8,
  segments: 0x100,
  cr0: 0x200,
  cr2: 0x208,
  cr3: 0x210,
  cr4: 0x218,
  cr8: 0x220,
  efer: 0x228,
  gdtrBase: 0x230,
  gdtrLimit: 0x238,
  idtrBase: 0x240,
  idtrLimit: 0x248,
  dr: 0x250,
  /** VMX interruptibility-state layout: bit 0 STI shadow, bit 1 MOV SS shadow, bit 3 NMI blocking. */
  interruptibility: 0x290,
  /** VMX activity-state numbers: 0 active, 1 HLT, 2 shutdown, 3 wait-for-SIPI. */
  activity: 0x294,
  sysenterCs: 0x298,
  sysenterEsp: 0x2a0,
  sysenterEip: 0x2a8,
  pat: 0x2b0,
  tscOffset: 0x2b8,
  tscAux: 0x2c0,
  star: 0x2c8,
  lstar: 0x2d0,
  cstar: 0x2d8,
  sfmask: 0x2e0,
  kernelGsBase: 0x2e8,
  apicBase: 0x2f0,
  featureControl: 0x2f8,
  /** 0 outside VMX operation, 1 root, 2 non-root. */
  vmxMode: 0x300,
  vmxonPointer: 0x308,
  currentVmcs: 0x310,
} as const;

/** Bytes of one hidden segment register: selector, attributes, limit (u32 each, 4 bytes unused), base (u64). */
export const SEGMENT_STRIDE = 0x20;
export const SEG = { selector: 0, attributes: 4, limit: 8, base: 16 } as const;

/**
 * Segment attributes in the VMX access-rights format: bits 0-3 type, 4 S, 5-6 DPL, 7 P, 12 AVL, 13 L, 14 D/B, 15 G,
 * 16 unusable (Intel SDM 3C, "Guest Register State").
 */
export const AR_TYPE = 0xf;
export const AR_S = 1 << 4;
export const AR_DPL_SHIFT = 5;
export const AR_P = 1 << 7;
export const AR_DB = 1 << 14;
export const AR_G = 1 << 15;
export const AR_UNUSABLE = 1 << 16;

/** Typed access to one state block. All 32-bit values are returned unsigned (0 to 2^32-1) unless said otherwise. */
export class CpuState {
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly u8: Uint8Array;
  readonly u64: BigUint64Array;

  /** @param buffer holds the block at byteOffset (a multiple of 8), STATE_SIZE bytes. */
  constructor(buffer: ArrayBufferLike, byteOffset = 0) {
    this.u32 = new Uint32Array(buffer, byteOffset, STATE_SIZE / 4);
    this.i32 = new Int32Array(buffer, byteOffset, STATE_SIZE / 4);
    this.u8 = new Uint8Array(buffer, byteOffset, STATE_SIZE);
    this.u64 = new BigUint64Array(buffer, byteOffset, STATE_SIZE / 8);
  }

  /** A block of its own, outside any machine's memory; all zero but for EFLAGS bit 1. */
  static detached(): CpuState {
    const state = new CpuState(new ArrayBuffer(STATE_SIZE));
    state.eflags = FLAG_FIXED;
    return state;
  }

  copyFrom(other: CpuState): void {
    this.u8.set(other.u8);
  }

  /** The 32-bit word at a byte offset of the block. */
  word(offset: number): number {
    return this.u32[offset >> 2] ?? 0;
  }

  setWord(offset: number, value: number): void {
    this.u32[offset >> 2] = value;
  }

  /** The 64-bit word at a byte offset (a multiple of 8). */
  long(offset: number): bigint {
    return this.u64[offset >> 3] ?? 0n;
  }

  setLong(offset: number, value: bigint): void {
    this.u64[offset >> 3] = value;
  }

  /** Low 32 bits of a general register. */
  gpr(index: number): number {
    return this.u32[index * 2] ?? 0;
  }

  /** Writes 32 bits and clears the upper half, as 32-bit operations do. */
  setGpr(index: number, value: number): void {
    this.u32[index * 2] = value;
    this.u32[index * 2 + 1] = 0;
  }

  gpr64(index: number): bigint {
    return this.u64[index] ?? 0n;
  }

  setGpr64(index: number, value: bigint): void {
    this.u64[index] = value;
  }

  get eip(): number {
    return this.word(OFF.rip);
  }

  set eip(value: number) {
    this.setWord(OFF.rip, value);
    this.setWord(OFF.rip + 4, 0);
  }

  get cpl(): number {
    return this.word(OFF.cpl);
  }

  set cpl(value: number) {
    this.setWord(OFF.cpl, value);
  }

  get cr0(): number {
    return this.word(OFF.cr0);
  }

  set cr0(value: number) {
    this.setWord(OFF.cr0, value);
  }

  get cr2(): number {
    return this.word(OFF.cr2);
  }

  set cr2(value: number) {
    this.setWord(OFF.cr2, value);
  }

  get cr3(): number {
    return this.word(OFF.cr3);
  }

  set cr3(value: number) {
    this.setWord(OFF.cr3, value);
  }

  get cr4(): number {
    return this.word(OFF.cr4);
  }

  set cr4(value: number) {
    this.setWord(OFF.cr4, value);
  }

  /** The whole EFLAGS image, bit 1 always set. */
  get eflags(): number {
    return (this.word(OFF.flagsSystem) | this.arithmeticFlags | FLAG_FIXED) >>> 0;
  }

  set eflags(value: number) {
    this.setWord(OFF.flagsSystem, (value & ~ARITHMETIC_FLAGS) | FLAG_FIXED);
    this.arithmeticFlags = value;
  }

  /** CF, PF, AF, ZF, SF, OF as EFLAGS bits; writing takes exactly these bits of the value. */
  get arithmeticFlags(): number {
    const z = OFF.flagZ >> 2;
    const s = OFF.flagS >> 2;
    let flags = this.word(OFF.flagC) === 0 ? 0 : FLAG_CF;
    if (this.i32[z] === 0 && this.i32[z + 1] === 0) flags |= FLAG_ZF;
    if ((this.i32[s + 1] ?? 0) < 0) flags |= FLAG_SF;
    let parity = this.word(OFF.flagS) & 0xff;
    parity ^= parity >> 4;
    if (((0x9669 >> (parity & 0xf)) & 1) !== 0) flags |= FLAG_PF;
    flags |= this.word(OFF.flagA) & FLAG_AF;
    if (this.word(OFF.flagO) !== 0) flags |= FLAG_OF;
    return flags;
  }

  set arithmeticFlags(value: number) {
    const z = OFF.flagZ >> 2;
    const s = OFF.flagS >> 2;
    this.i32[z] = (value & FLAG_ZF) !== 0 ? 0 : 1;
    this.i32[z + 1] = 0;
    // Low byte 0 has even parity, 1 odd; the upper half carries the sign.
    this.i32[s] = (value & FLAG_PF) !== 0 ? 0 : 1;
    this.i32[s + 1] = (value & FLAG_SF) !== 0 ? -1 : 0;
    this.setWord(OFF.flagA, value & FLAG_AF);
    this.setWord(OFF.flagC, (value & FLAG_CF) !== 0 ? 1 : 0);
    this.setWord(OFF.flagO, (value & FLAG_OF) !== 0 ? 1 : 0);
  }

  selector(segment: SegmentIndex): number {
    return this.word(OFF.segments + segment * SEGMENT_STRIDE + SEG.selector);
  }

  attributes(segment: SegmentIndex): number {
    return this.word(OFF.segments + segment * SEGMENT_STRIDE + SEG.attributes);
  }

  /** Byte limit (granularity already applied). */
  limit(segment: SegmentIndex): number {
    return this.word(OFF.segments + segment * SEGMENT_STRIDE + SEG.limit);
  }

  /** Low 32 bits of the base. */
  base(segment: SegmentIndex): number {
    return this.word(OFF.segments + segment * SEGMENT_STRIDE + SEG.base);
  }

  /** Loads a hidden segment register whole. The engine must be told afterwards that the mode may have changed. */
  setSegment(segment: SegmentIndex, selector: number, attributes: number, base: number, limit: number): void {
    const at = OFF.segments + segment * SEGMENT_STRIDE;
    this.setWord(at + SEG.selector, selector);
    this.setWord(at + SEG.attributes, attributes);
    this.setWord(at + SEG.limit, limit);
    this.setWord(at + SEG.base, base);
    this.setWord(at + SEG.base + 4, 0);
  }
}
