/**
 * Segment and gate descriptors as the tables hold them (Intel SDM 3A, "Protected-Mode Memory Management" and "Interrupt
 * and Exception Handling"): reading the eight bytes, and making them.
 *
 * Attributes use the VMX access-rights layout throughout: bits 0-3 type, 4 S, 5-6 DPL, 7 P, 12 AVL, 13 L, 14 D/B, 15 G,
 * 16 unusable. That is bits 8-23 of a descriptor's second word without the limit bits.
 */

export const SELECTOR_RPL = 3;
/** Table indicator: set for the LDT. */
export const SELECTOR_TI = 4;
/** The part of a selector that error codes hold: index and TI. */
export const SELECTOR_ERROR_MASK = 0xfffc;

/** Bits of a code or data segment's type. */
export const TYPE_ACCESSED = 1;
/** Data: writable. Code: readable. */
const TYPE_WRITABLE = 2;
const TYPE_READABLE = 2;
const TYPE_CONFORMING = 4;
export const TYPE_EXPAND_DOWN = 4;
const TYPE_CODE = 8;
/** S: a code or data segment, not a system descriptor. */
const CODE_OR_DATA = 1 << 4;
const PRESENT = 1 << 7;

/** Types of system descriptors (S = 0) in 32-bit mode. */
export const SystemType = {
  tss16Available: 1,
  ldt: 2,
  tss16Busy: 3,
  callGate16: 4,
  taskGate: 5,
  interruptGate16: 6,
  trapGate16: 7,
  tss32Available: 9,
  tss32Busy: 11,
  callGate32: 12,
  interruptGate32: 14,
  trapGate32: 15,
} as const;

/** Accessed bit in the second word of a code or data descriptor. */
export const DESCRIPTOR_ACCESSED = 1 << 8;
/** Busy bit in the second word of a TSS descriptor. */
export const DESCRIPTOR_BUSY = 1 << 9;

const ATTRIBUTE_MASK = 0xf0ff;
const GRANULAR = 1 << 15;

/** The two little-endian words of a descriptor. */
export interface RawDescriptor {
  readonly low: number;
  readonly high: number;
}

export interface SegmentDescriptor {
  readonly base: number;
  /** Highest valid offset in bytes, granularity applied. */
  readonly limit: number;
  /** VMX access-rights layout. */
  readonly attributes: number;
}

export interface GateDescriptor {
  readonly selector: number;
  /** Entry point; 16 bits in a 16-bit gate. */
  readonly offset: number;
  readonly type: number;
  readonly dpl: number;
  readonly present: boolean;
  /** Words copied to the inner stack (call gates), 0 to 31. */
  readonly parameters: number;
}

export function segmentType(attributes: number): number {
  return attributes & 0xf;
}

/** True for code and data segments, false for system descriptors. */
export function isCodeOrData(attributes: number): boolean {
  return (attributes & CODE_OR_DATA) !== 0;
}

export function isCode(attributes: number): boolean {
  return (attributes & (CODE_OR_DATA | TYPE_CODE)) === (CODE_OR_DATA | TYPE_CODE);
}

/** A code segment that runs with its caller's privilege. */
export function isConforming(attributes: number): boolean {
  return isCode(attributes) && (attributes & TYPE_CONFORMING) !== 0;
}

/** A data segment that may be written. */
export function isWritableData(attributes: number): boolean {
  return isCodeOrData(attributes) && !isCode(attributes) && (attributes & TYPE_WRITABLE) !== 0;
}

/** A segment whose bytes may be read: any data segment, or a readable code segment. */
export function isReadable(attributes: number): boolean {
  return isCodeOrData(attributes) && (!isCode(attributes) || (attributes & TYPE_READABLE) !== 0);
}

export function descriptorDpl(attributes: number): number {
  return (attributes >> 5) & 3;
}

export function isPresent(attributes: number): boolean {
  return (attributes & PRESENT) !== 0;
}

/** The attributes (VMX layout) in a descriptor's second word. */
export function rawAttributes(high: number): number {
  return (high >>> 8) & ATTRIBUTE_MASK;
}

/** Reads a segment descriptor (also an LDT's or TSS's). */
export function parseSegment(raw: RawDescriptor): SegmentDescriptor {
  const attributes = rawAttributes(raw.high);
  const units = (raw.low & 0xffff) | (raw.high & 0xf0000);
  return {
    base: ((raw.low >>> 16) | ((raw.high & 0xff) << 16) | (raw.high & 0xff000000)) >>> 0,
    limit: (attributes & GRANULAR) !== 0 ? ((units << 12) | 0xfff) >>> 0 : units,
    attributes,
  };
}

/**
 * Makes the eight bytes of a segment descriptor. With G set in the attributes the limit's low 12 bits are lost, as the
 * format cannot hold them.
 */
export function encodeSegment(segment: SegmentDescriptor): RawDescriptor {
  const units = (segment.attributes & GRANULAR) !== 0 ? segment.limit >>> 12 : segment.limit & 0xfffff;
  return {
    low: ((units & 0xffff) | (segment.base << 16)) >>> 0,
    high:
      (((segment.base >>> 16) & 0xff) |
        ((segment.attributes & ATTRIBUTE_MASK) << 8) |
        (units & 0xf0000) |
        (segment.base & 0xff000000)) >>>
      0,
  };
}

/** Reads a gate of an IDT, or a call gate of a GDT or LDT. */
export function parseGate(raw: RawDescriptor): GateDescriptor {
  const type = (raw.high >>> 8) & 0xf;
  const wide = (type & 8) !== 0;
  return {
    selector: raw.low >>> 16,
    offset: ((raw.low & 0xffff) | (wide ? raw.high & 0xffff0000 : 0)) >>> 0,
    type,
    dpl: (raw.high >>> 13) & 3,
    present: (raw.high & 0x8000) !== 0,
    parameters: raw.high & 0x1f,
  };
}

/** Makes the eight bytes of a gate. */
export function encodeGate(gate: GateDescriptor): RawDescriptor {
  return {
    low: ((gate.offset & 0xffff) | (gate.selector << 16)) >>> 0,
    high:
      ((gate.offset & 0xffff0000) |
        (gate.present ? 0x8000 : 0) |
        (gate.dpl << 13) |
        (gate.type << 8) |
        (gate.parameters & 0x1f)) >>>
      0,
  };
}
