/**
 * Between the real processor and the virtual state under ring deprivileging: what the guest believes its registers to be,
 * read from the real ones, and real registers that make the guest run so.
 */
import { AR_UNUSABLE, type CpuState, OFF } from '../../engine/state';
import { SELECTOR_ERROR_MASK, SELECTOR_RPL, TYPE_ACCESSED } from '../../x86/descriptors';
import { FLAG_IF, FLAG_IOPL, FLAG_RF } from '../../x86/flags';
import { CS, DS, ES, FS, GS, RSP, type SegmentIndex, SS } from '../../x86/registers';
import type { GuestRing } from './shadow-descriptor';
import { shadowSegment } from './shadow-descriptor';
import type { ShadowGdt } from './shadow-gdt';
import { FIRST_VMM_SELECTOR, type TrapFrame } from './trap-window';

/** The real ring that stands for a guest ring. */
export function realRing(ring: GuestRing): 1 | 3 {
  return ring === 0 ? 1 : 3;
}

/** The guest ring that a real one stands for. */
export function guestRing(real: number): GuestRing {
  return real === 3 ? 3 : 0;
}

const DATA_SEGMENTS: readonly SegmentIndex[] = [ES, DS, FS, GS];
/** EFLAGS bits that the VMM keeps: the real IF is always 1 while the guest runs, the real IOPL 0. */
const VIRTUAL_FLAGS = FLAG_IF | FLAG_IOPL;

/** The real CS, SS and data segments as the VMM left them when it last entered the guest. */
export interface EnteredSegments {
  cs: number;
  ss: number;
  /** Selector, attributes, base and limit of ES, DS, FS and GS. */
  data: (readonly [number, number, number, number])[];
}

export function enteredSegments(real: CpuState): EnteredSegments {
  return { cs: real.selector(CS), ss: real.selector(SS), data: DATA_SEGMENTS.map((segment) => hidden(real, segment)) };
}

function hidden(state: CpuState, segment: SegmentIndex): readonly [number, number, number, number] {
  return [state.selector(segment), state.attributes(segment), state.base(segment), state.limit(segment)];
}

/** The registers that an interrupt frame holds, for a guest that runs and was not interrupted. */
export function frameOf(real: CpuState): TrapFrame {
  return {
    eip: real.eip,
    cs: real.selector(CS),
    eflags: real.eflags,
    esp: real.gpr(RSP),
    ss: real.selector(SS),
  };
}

/**
 * Brings the virtual state up to date with what the guest has done since it was entered.
 * @param entered as the VMM left the real segments
 */
export function captureGuest(
  virtual: CpuState,
  real: CpuState,
  frame: TrapFrame,
  entered: EnteredSegments,
  gdt: ShadowGdt,
): void {
  for (let gpr = 0; gpr < 8; gpr++) if (gpr !== RSP) virtual.setGpr(gpr, real.gpr(gpr));
  virtual.setGpr(RSP, frame.esp);
  virtual.eip = frame.eip;
  // Faults push RF set; the guest has no way to have set it otherwise that would still matter here.
  virtual.eflags = (frame.eflags & ~(VIRTUAL_FLAGS | FLAG_RF)) | (virtual.word(OFF.flagsSystem) & VIRTUAL_FLAGS);
  const ring = guestRing(frame.cs & SELECTOR_RPL);
  virtual.cpl = ring;
  if (frame.cs !== entered.cs) loadNative(virtual, CS, (frame.cs & ~SELECTOR_RPL) | ring, gdt);
  if (frame.ss !== entered.ss) loadNative(virtual, SS, (frame.ss & ~SELECTOR_RPL) | ring, gdt);
  DATA_SEGMENTS.forEach((segment, i) => {
    const now = hidden(real, segment);
    const then = entered.data[i] ?? [];
    if (now.some((value, j) => value !== then[j])) loadNative(virtual, segment, now[0], gdt);
  });
}

/** The guest has loaded a segment register without a trap: its descriptor is still what the guest's GDT says. */
function loadNative(virtual: CpuState, segment: SegmentIndex, selector: number, gdt: ShadowGdt): void {
  // A copy of a selector that leaked out of the VMM's own slots names no guest descriptor; nothing better is known of it.
  if ((selector & SELECTOR_ERROR_MASK) >= FIRST_VMM_SELECTOR) return;
  const found = (selector & SELECTOR_ERROR_MASK) === 0 ? undefined : gdt.hiddenOf(selector);
  if (found === undefined) virtual.setSegment(segment, selector, AR_UNUSABLE, 0, 0);
  else virtual.setSegment(segment, selector, found.attributes | TYPE_ACCESSED, found.base, found.limit);
}

/** Sets the real general and data segment registers for the guest. CS, SS, EIP, ESP and EFLAGS come from the frame. */
export function restoreGuest(virtual: CpuState, real: CpuState): void {
  for (let gpr = 0; gpr < 8; gpr++) if (gpr !== RSP) real.setGpr(gpr, virtual.gpr(gpr));
  for (const segment of DATA_SEGMENTS) {
    const [selector, attributes, base, limit] = hidden(virtual, segment);
    const shadow = (attributes & AR_UNUSABLE) === 0 ? shadowSegment({ attributes, base, limit }) : undefined;
    if (shadow === undefined) real.setSegment(segment, selector, AR_UNUSABLE, 0, 0);
    else real.setSegment(segment, selector, shadow.attributes, shadow.base, shadow.limit);
  }
}

/** EFLAGS for the real processor: interrupts on, so that the VMM always gets its own, and no I/O privilege. */
export function realFlags(virtual: CpuState): number {
  return ((virtual.eflags & ~FLAG_IOPL) | FLAG_IF) >>> 0;
}
