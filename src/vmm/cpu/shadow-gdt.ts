/**
 * The shadow GDT: the real descriptor table while the guest runs, made from the guest's own GDT slot by slot, so that
 * guest selectors keep their values. The guest's table is write-traced; each edit refreshes the slots that it touches.
 */
import { OFF } from '../../engine/state';
import {
  encodeSegment,
  isPresent,
  parseSegment,
  type RawDescriptor,
  rawAttributes,
  SELECTOR_TI,
  type SegmentDescriptor,
} from '../../x86/descriptors';
import { PAGE_SIZE } from '../../x86/paging-bits';
import { lookUpGuest } from '../mmu/guest-space';
import type { Vcpu } from '../vcpu';
import type { Vm } from '../vm';
import { type GuestRing, shadowDescriptor, shadowSegment } from './shadow-descriptor';
import { FIRST_VMM_SELECTOR, PINNED_CS, PINNED_SS, type TrapWindow } from './trap-window';

/** Write-protects guest frames in every shadow root (the mmu technique). */
export interface FrameProtector {
  protectFrame(gfn: number): void;
  unprotectFrame(gfn: number): void;
}

export interface ShadowGdtState {
  readonly gpas: readonly (number | null)[];
  readonly limit: number;
  readonly running: GuestRing;
  readonly shown: number;
  readonly dirty: boolean;
}

const SLOTS = FIRST_VMM_SELECTOR / 8;
const ABSENT: RawDescriptor = { low: 0, high: 0 };

export class ShadowGdt {
  /** GPA of each page of the guest's GDT (its first byte in that page), undefined where the guest maps none. */
  private gpas: (number | undefined)[] = [];
  private limit = -1;
  private running: GuestRing = 0;
  /** The guest's descriptors by index, as of the last time that its table changed. */
  private guest: RawDescriptor[] = [];
  /** Slots that hold shadows of the guest's. */
  private shown = 0;
  private dirty = true;

  constructor(
    private readonly window: TrapWindow,
    private readonly vm: Vm,
    private readonly vcpu: Vcpu,
    private readonly protector: FrameProtector,
  ) {}

  /**
   * Brings the table up to date before the guest runs.
   * @param running the ring in which it is going to run
   */
  prepare(running: GuestRing): void {
    this.locate();
    if (!this.dirty && running === this.running) return;
    if (this.dirty) this.readGuestTable();
    this.running = running;
    const end = Math.max(this.guest.length, this.shown);
    for (let index = 1; index < end; index++) {
      const raw = this.guest[index];
      this.window.writeSlot(index * 8, raw === undefined ? ABSENT : shadowDescriptor(raw, running));
    }
    this.shown = this.guest.length;
    this.dirty = false;
  }

  private readGuestTable(): void {
    const slots = Math.min(SLOTS, Math.floor((this.vcpu.state.word(OFF.gdtrLimit) + 1) / 8));
    this.guest = Array.from({ length: slots }, (_, index) => this.guestDescriptor(index * 8));
  }

  /** Finds the guest's GDT through its page tables, as they are now, and traces the frames that hold it. */
  private locate(): void {
    const { state } = this.vcpu;
    const base = state.word(OFF.gdtrBase);
    const limit = state.word(OFF.gdtrLimit);
    const gpas: (number | undefined)[] = [];
    // A limit below 7 leaves no descriptor: the guest has not loaded a GDT yet.
    for (let at = base; limit >= 7 && at <= base + limit; at = (Math.floor(at / PAGE_SIZE) + 1) * PAGE_SIZE) {
      gpas.push(lookUpGuest(this.vm, state, at >>> 0)?.gpa);
    }
    if (limit === this.limit && gpas.length === this.gpas.length && gpas.every((gpa, i) => gpa === this.gpas[i]))
      return;
    // First the new traces, so that a frame of both tables stays protected.
    for (const gpa of gpas) if (gpa !== undefined) this.protector.protectFrame(gpa >>> 12);
    const kept = new Set(gpas.map((gpa) => (gpa ?? -1) >>> 12));
    for (const gpa of this.gpas)
      if (gpa !== undefined && !kept.has(gpa >>> 12)) this.protector.unprotectFrame(gpa >>> 12);
    this.gpas = gpas;
    this.limit = limit;
    this.dirty = true;
  }

  /** Guest memory has changed: if it was the GDT, the next prepare() rewrites it. */
  guestWrote(gpa: number, size: number): void {
    for (const page of this.gpas) {
      if (page !== undefined && gpa >>> 12 <= page >>> 12 && (gpa + size - 1) >>> 12 >= page >>> 12) this.dirty = true;
    }
  }

  /** The guest's own descriptor; absent outside its table or where it maps none. */
  guestDescriptor(selector: number): RawDescriptor {
    const offset = selector & 0xfff8;
    const { state } = this.vcpu;
    if ((selector & SELECTOR_TI) !== 0 || offset === 0 || offset + 7 > state.word(OFF.gdtrLimit)) return ABSENT;
    const low = this.readGuest((state.word(OFF.gdtrBase) + offset) >>> 0);
    const high = this.readGuest((state.word(OFF.gdtrBase) + offset + 4) >>> 0);
    return low === undefined || high === undefined ? ABSENT : { low, high };
  }

  /** Four bytes of guest memory that may lie across two pages, by GVA. */
  private readGuest(gva: number): number | undefined {
    if ((gva & 0xfff) <= PAGE_SIZE - 4) {
      const found = lookUpGuest(this.vm, this.vcpu.state, gva);
      return found === undefined ? undefined : this.vm.read(found.gpa, 4);
    }
    let value = 0;
    for (let i = 3; i >= 0; i--) {
      const found = lookUpGuest(this.vm, this.vcpu.state, (gva + i) >>> 0);
      if (found === undefined) return undefined;
      value = value * 256 + this.vm.read(found.gpa, 1);
    }
    return value;
  }

  /**
   * The selector under which the processor can load a guest's CS or SS as it is hidden now: the guest's own while its slot
   * still holds that descriptor, else a slot of the VMM's own (so a kernel that has loaded a new GDT goes on running).
   * Undefined when the segment cannot stand for the guest's at all (code inside the VMM's window).
   * @param which CS or SS
   * @param rpl privilege in the selector, that of the real ring
   */
  loadable(which: 'cs' | 'ss', selector: number, hidden: SegmentDescriptor, rpl: number): number | undefined {
    const shadow = shadowSegment(hidden);
    if (shadow === undefined) return undefined;
    const wanted = encodeSegment(shadow);
    const slot = this.window.readSlot(selector);
    const own = (selector & SELECTOR_TI) === 0 && (selector & 0xfff8) < FIRST_VMM_SELECTOR;
    if (own && slot.low === wanted.low && slot.high === wanted.high) return (selector & 0xfff8) | rpl;
    const pinned = which === 'cs' ? PINNED_CS : PINNED_SS;
    this.window.writeSlot(pinned, wanted);
    return pinned | rpl;
  }

  /** The guest's hidden segment after it has loaded a selector natively: what its own descriptor says. */
  hiddenOf(selector: number): SegmentDescriptor | undefined {
    const raw = this.guestDescriptor(selector);
    return isPresent(rawAttributes(raw.high)) ? parseSegment(raw) : undefined;
  }

  save(): ShadowGdtState {
    return {
      gpas: this.gpas.map((gpa) => gpa ?? null),
      limit: this.limit,
      running: this.running,
      shown: this.shown,
      dirty: this.dirty,
    };
  }

  load(state: ShadowGdtState): void {
    this.gpas = state.gpas.map((gpa) => gpa ?? undefined);
    this.limit = state.limit;
    this.running = state.running;
    this.shown = state.shown;
    this.dirty = state.dirty;
    this.readGuestTable();
  }
}
