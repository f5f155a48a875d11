/**
 * The registers that a guest can read back and that mean the same under every technique, as a list of words: what a digest
 * takes of a processor.
 */
import { AR_UNUSABLE, type CpuState, OFF } from '../engine/state';
import { FLAG_RF } from '../x86/flags';
import { SEGMENT_NAMES, type SegmentIndex } from '../x86/registers';

const WORDS = [
  OFF.rip,
  OFF.cpl,
  OFF.cr0,
  OFF.cr2,
  OFF.cr3,
  OFF.cr4,
  OFF.gdtrBase,
  OFF.gdtrLimit,
  OFF.idtrBase,
  OFF.idtrLimit,
] as const;

/** General registers, EFLAGS, control and table registers, then the segments; each word unsigned. */
export function guestRegisterWords(state: CpuState): number[] {
  const words: number[] = [];
  for (let i = 0; i < 8; i++) words.push(state.gpr(i));
  // RF only says how the last fault was resumed.
  words.push((state.eflags & ~FLAG_RF) >>> 0);
  for (const offset of WORDS) words.push(state.word(offset));
  for (let i = 0; i < SEGMENT_NAMES.length; i++) {
    const segment = i as SegmentIndex; // bounded by the table of segment registers
    words.push(state.selector(segment));
    const unusable = (state.attributes(segment) & AR_UNUSABLE) !== 0;
    // The hidden part of an unusable segment is undefined.
    if (unusable) words.push(AR_UNUSABLE, 0, 0);
    else words.push(state.attributes(segment), state.base(segment), state.limit(segment));
  }
  return words;
}
