/** What a shadow entry must hold: derived from the guest's entries, the frame behind the page, and its write trace. */
import { CR0_PG, CR4_PSE, FRAME, LARGE_FRAME, PTE_D, PTE_P, PTE_PS, PTE_U, PTE_W } from '../../x86/paging-bits';

/** Everything in a guest directory entry that a shadow table was built on; A and D are not part of it. */
export function pdeSignature(pde: number, cr4: number): number {
  const large = (pde & PTE_PS) !== 0 && (cr4 & CR4_PSE) !== 0;
  return (pde & ((large ? LARGE_FRAME : FRAME) | PTE_P | PTE_W | PTE_U | (large ? PTE_PS : 0))) >>> 0;
}

/** What names a guest root: the directory's address and how its entries are read. */
export function rootKey(registers: { cr0: number; cr3: number; cr4: number }): string {
  if ((registers.cr0 & CR0_PG) === 0) return 'identity';
  const pse = (registers.cr4 & CR4_PSE) !== 0 ? ' pse' : '';
  return `0x${((registers.cr3 & FRAME) >>> 0).toString(16)}${pse}`;
}

/** A guest mapping of one page, as far as a shadow entry depends on it. */
export interface GuestMapping {
  /** R/W of all levels. */
  readonly writable: boolean;
  /** U/S of all levels. */
  readonly user: boolean;
  readonly dirty: boolean;
}

/**
 * The shadow leaf entry for a guest mapping. Writable only when the guest allows it, its D flag is set already (the first
 * write must come to the VMM, which sets it) and the frame is not traced. CR0.WP is 1 in the real processor, so the
 * entry binds a guest kernel in ring 1 too.
 */
export function shadowEntry(hpa: number, mapping: GuestMapping, traced: boolean): number {
  const writable = mapping.writable && mapping.dirty && !traced;
  return ((hpa & FRAME) | PTE_P | (writable ? PTE_W : 0) | (mapping.user ? PTE_U : 0)) >>> 0;
}

/** The mapping that a guest directory entry and table entry give; both present. */
export function tableMapping(pde: number, pte: number): GuestMapping {
  const rights = pde & pte;
  return { writable: (rights & PTE_W) !== 0, user: (rights & PTE_U) !== 0, dirty: (pte & PTE_D) !== 0 };
}
