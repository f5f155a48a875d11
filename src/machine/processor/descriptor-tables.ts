/** Reading descriptors through GDTR and LDTR, and the upkeep of their accessed bit (Intel SDM 3A, "Segment Descriptors"). */
import { AR_UNUSABLE, OFF } from '../../engine/state';
import {
  DESCRIPTOR_ACCESSED,
  type RawDescriptor,
  SELECTOR_ERROR_MASK,
  SELECTOR_TI,
  type SegmentDescriptor,
  TYPE_ACCESSED,
} from '../../x86/descriptors';
import { GuestFault } from '../../x86/exceptions';
import { LDTR, type SegmentIndex } from '../../x86/registers';
import type { CpuContext } from './context';

/** A descriptor with the linear address it was read from. */
export interface TableDescriptor extends RawDescriptor {
  readonly address: number;
}

/** A selector is null when its index and table bits are zero, whatever its RPL. */
export function isNull(selector: number): boolean {
  return (selector & SELECTOR_ERROR_MASK) === 0;
}

/** A fault whose error code names a selector. */
export function selectorFault(vector: number, selector: number, external = 0): GuestFault {
  return new GuestFault(vector, (selector & SELECTOR_ERROR_MASK) | external);
}

/** The descriptor of a selector, or undefined when it lies outside its table. May raise a page fault. */
export function findDescriptor(ctx: CpuContext, selector: number): TableDescriptor | undefined {
  const { state } = ctx;
  const local = (selector & SELECTOR_TI) !== 0;
  if (local && (state.attributes(LDTR) & AR_UNUSABLE) !== 0) return undefined;
  const base = local ? state.base(LDTR) : state.word(OFF.gdtrBase);
  const limit = local ? state.limit(LDTR) : state.word(OFF.gdtrLimit);
  const offset = selector & 0xfff8;
  if (offset + 7 > limit) return undefined;
  const address = (base + offset) >>> 0;
  return { address, low: ctx.memory.read(address, 4, true), high: ctx.memory.read((address + 4) >>> 0, 4, true) };
}

/**
 * The descriptor of a selector.
 * @param vector raised with the selector when it lies outside its table
 * @param external the EXT bit of the error code
 */
export function readDescriptor(ctx: CpuContext, selector: number, vector: number, external = 0): TableDescriptor {
  const found = findDescriptor(ctx, selector);
  if (found === undefined) throw selectorFault(vector, selector, external);
  return found;
}

/** Sets the accessed bit in memory if it is clear, as the supervisor; a fault of that write is the load's fault. */
export function markAccessed(ctx: CpuContext, descriptor: TableDescriptor): void {
  if ((descriptor.high & DESCRIPTOR_ACCESSED) !== 0) return;
  ctx.memory.write((descriptor.address + 5) >>> 0, 1, ((descriptor.high >>> 8) & 0xff) | TYPE_ACCESSED, true);
}

/** Fills a hidden segment register from a checked code or data descriptor whose accessed bit has been set. */
export function setFromDescriptor(
  ctx: CpuContext,
  segment: SegmentIndex,
  selector: number,
  descriptor: SegmentDescriptor,
): void {
  const attributes = descriptor.attributes | TYPE_ACCESSED;
  ctx.state.setSegment(segment, selector, attributes, descriptor.base, descriptor.limit);
}

/** Loads a null selector: the register keeps the selector and any use of it faults. */
export function setNull(ctx: CpuContext, segment: SegmentIndex, selector: number): void {
  ctx.state.setSegment(segment, selector, AR_UNUSABLE, 0, 0);
}
