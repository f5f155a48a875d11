/**
 * The real descriptor that stands for a guest's under ring deprivileging: DPL 0 raised to 1, the limit cut below the VMM's
 * window, and not present where a load must come to the VMM.
 */
import {
  descriptorDpl,
  encodeSegment,
  isCode,
  isCodeOrData,
  isConforming,
  parseSegment,
  type RawDescriptor,
  rawAttributes,
  type SegmentDescriptor,
  TYPE_ACCESSED,
  TYPE_EXPAND_DOWN,
} from '../../x86/descriptors';
import { WINDOW_BASE } from './trap-window';

const PRESENT = 0x80;
const DPL_1 = 1 << 5;
const DB = 1 << 14;
const GRANULAR = 1 << 15;
/** Raw P bit, in the second word of a descriptor. */
const RAW_PRESENT = 1 << 15;
const LARGEST_BYTE_LIMIT = 0xfffff;

/** Which guest code runs next; decides which code descriptors are present. */
export type GuestRing = 0 | 3;

/**
 * The shadow of a descriptor in the guest's GDT, for the slot of the same index.
 *
 * Not present (so that a load traps and is emulated): everything that the guest has not present; system descriptors;
 * descriptors whose A flag the guest's hardware would now set; code of rings 1 and 2; and, while the guest kernel runs,
 * all code but ordinary ring-0 code, so that no return to ring 3 passes unseen.
 */
export function shadowDescriptor(raw: RawDescriptor, running: GuestRing): RawDescriptor {
  const attributes = rawAttributes(raw.high);
  const absent: RawDescriptor = { low: raw.low, high: (raw.high & ~RAW_PRESENT) >>> 0 };
  if (!isCodeOrData(attributes) || (attributes & TYPE_ACCESSED) === 0 || (attributes & PRESENT) === 0) return absent;
  if (isCode(attributes) && !codeMayLoad(attributes, running)) return absent;
  const shadow = shadowSegment(parseSegment(raw));
  return shadow === undefined ? absent : encodeSegment(shadow);
}

function codeMayLoad(attributes: number, running: GuestRing): boolean {
  const dpl = descriptorDpl(attributes);
  if (running === 0) return dpl === 0 && !isConforming(attributes);
  return isConforming(attributes) || dpl === 3;
}

/**
 * The real hidden segment that stands for a guest's hidden one; undefined for a code segment that lies inside the window.
 * A data segment that cannot be cut becomes an empty one: each access faults and is emulated.
 */
export function shadowSegment(segment: SegmentDescriptor): SegmentDescriptor | undefined {
  const dpl = descriptorDpl(segment.attributes);
  const attributes = dpl === 0 ? segment.attributes | DPL_1 : segment.attributes;
  const code = isCode(attributes);
  if (!code && (attributes & TYPE_EXPAND_DOWN) !== 0) {
    const fits = (attributes & DB) === 0 && segment.base + 0xffff < WINDOW_BASE;
    return fits ? { ...segment, attributes } : empty(attributes);
  }
  if (segment.base >= WINDOW_BASE) return code ? undefined : empty(attributes);
  return { base: segment.base, limit: cutLimit(segment, WINDOW_BASE - 1 - segment.base), attributes };
}

/** @param most highest offset that still lies below the window */
function cutLimit(segment: SegmentDescriptor, most: number): number {
  if (segment.limit <= most) return segment.limit;
  // Page-granular limits end in 0xfff; rounding down keeps the window safe.
  const granular = (segment.attributes & GRANULAR) !== 0;
  if (!granular || most <= 0xfff) return Math.min(most, LARGEST_BYTE_LIMIT);
  return Math.floor((most + 1) / 0x1000) * 0x1000 - 1;
}

/** An expand-down segment with the highest limit has no valid offset at all. */
function empty(attributes: number): SegmentDescriptor {
  return { base: 0, limit: 0xffffffff, attributes: attributes | TYPE_EXPAND_DOWN | DB | GRANULAR };
}
