/** Segment checks of data accesses: one place for type, limit and null checks (Intel SDM 3A, "Protection"). */
import { GP, GuestFault, SS_FAULT } from '../x86/exceptions';
import { SS, type SegmentIndex } from '../x86/registers';
import { AR_DB, AR_TYPE, AR_UNUSABLE, type CpuState } from './state';

const TYPE_CODE = 8;
/** Data: expand-down. Code: conforming. */
const TYPE_EXPAND_DOWN = 4;
/** Data: writable. Code: readable. */
const TYPE_WRITABLE = 2;

/** May the segment be used for this kind of access at all? */
function allowed(type: number, write: boolean): boolean {
  if ((type & TYPE_CODE) !== 0) return !write && (type & TYPE_WRITABLE) !== 0;
  return !write || (type & TYPE_WRITABLE) !== 0;
}

/** Do all bytes lie inside the limit? A 4 GiB segment lets an access wrap around its end. */
export function insideLimit(attributes: number, limit: number, offset: number, size: number): boolean {
  const last = offset + size - 1;
  if ((attributes & (TYPE_CODE | TYPE_EXPAND_DOWN)) === TYPE_EXPAND_DOWN) {
    return offset > limit && last <= ((attributes & AR_DB) !== 0 ? 0xffffffff : 0xffff);
  }
  return last <= limit || limit === 0xffffffff;
}

/**
 * The linear address of an access.
 * @param offset 0 to 2^32-1
 * @throws GuestFault #GP(0), or #SS(0) when the segment is SS
 */
export function linearAddress(
  state: CpuState,
  segment: SegmentIndex,
  offset: number,
  size: number,
  write: boolean,
): number {
  const attributes = state.attributes(segment);
  const usable = (attributes & AR_UNUSABLE) === 0 && allowed(attributes & AR_TYPE, write);
  if (!usable || !insideLimit(attributes, state.limit(segment), offset, size)) {
    throw new GuestFault(segment === SS ? SS_FAULT : GP, 0);
  }
  return (state.base(segment) + offset) >>> 0;
}

/**
 * The highest offset up to which a segment is flat: base 0, expand-up, readable and writable, limit a whole number of
 * pages. 0 when it is not flat. Such segments need no check for accesses to pages below the limit.
 */
export function flatLimit(state: CpuState, segment: SegmentIndex): number {
  const attributes = state.attributes(segment);
  const flat =
    (attributes & (AR_UNUSABLE | TYPE_CODE | TYPE_EXPAND_DOWN)) === 0 &&
    (attributes & TYPE_WRITABLE) !== 0 &&
    state.base(segment) === 0;
  const limit = state.limit(segment);
  return flat && (limit & 0xfff) === 0xfff ? limit : 0;
}
