/** What a technique of memory virtualization offers to the cpu techniques: one interface for shadow and nested tables. */
import type { PageTableRow } from '../../machine/guest-view';
import type { Handler } from '../handler';
import type { GuestFault } from '../../x86/exceptions';

/** Verdict on a page fault (or EPT violation) that reached the VMM. */
export type PageFaultVerdict =
  /** The VMM's own tables lacked something and now have it: run the instruction again. The guest never knows. */
  | { readonly kind: 'hidden' }
  /**
   * The access hit a write-protected (traced) frame, memory that no RAM backs, or a page that only a supervisor with
   * CR0.WP = 0 may write: emulate the instruction on the virtual processor.
   */
  | { readonly kind: 'trace' }
  /** The guest's own tables refuse the access: inject this fault, with the guest's own error code. */
  | { readonly kind: 'true'; readonly fault: GuestFault };

/** How an mmu technique drops translations from the real TLB; the cpu technique knows the tags. */
export interface RealTlb {
  /** Any cached translation of this linear address. */
  invalidatePage(linear: number): void;
  /** Everything that may come from this VM's second-stage or shadow tables. */
  invalidateAll(): void;
}

export interface MmuTechnique {
  readonly name: 'shadow' | 'nested';
  /** HPA for the real CR3 (shadow) or of the top EPT table (nested); valid until the next call of guestRootChanged. */
  root(): number;
  /**
   * Judges a page fault (shadow) and mends the tables. Emits `fault` and `shadow` events.
   * @param gva faulting linear address
   * @param errorCode the real processor's error code; its U bit is the guest's too, for ring 1 is a supervisor
   */
  handlePageFault(gva: number, errorCode: number): Handler<PageFaultVerdict>;
  /** The guest wrote CR0.PG, CR3, CR4.PSE or anything else that decides how its tables are read; root() may have changed. */
  guestRootChanged(): void;
  /** The guest executed INVLPG. */
  invalidatePage(gva: number): void;
  /** Guest memory changed under the VMM's hand (emulated write, user's edit); called after the bytes are in place. */
  guestWrote(gpa: number, size: number): void;
  /** Mapped pages of the current guest root with their second entries, at most `most`. No side effects. */
  pageTables(most: number): PageTableRow[];
  save(): unknown;
  load(state: unknown): void;
}
