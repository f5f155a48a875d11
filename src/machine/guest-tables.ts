/**
 * Looking at a guest's page tables without walking them as the processor would: nothing is set, emitted or cached. The
 * two stages of a VMM come in as functions, so the bare machine and every technique share this.
 */
import {
  CR0_PG,
  CR4_PSE,
  FRAME,
  LARGE_FRAME,
  LARGE_PAGE_SIZE,
  PAGE_SIZE,
  PTE_A,
  PTE_D,
  PTE_G,
  PTE_P,
  PTE_PS,
  PTE_U,
  PTE_W,
} from '../x86/paging-bits';
import type { PageTableRow, SecondEntry, Translated } from './guest-view';

export interface GuestTables {
  readonly cr0: number;
  readonly cr3: number;
  readonly cr4: number;
  /** A table entry at a GPA that is a multiple of 4. */
  read32(gpa: number): number;
  gpaToHpa(gpa: number): number | undefined;
}

/** Where a linear address leads; undefined where nothing is mapped. */
export function translateQuietly(tables: GuestTables, gva: number): Translated | undefined {
  if ((tables.cr0 & CR0_PG) === 0) {
    return {
      gpa: gva,
      hpa: tables.gpaToHpa(gva),
      writable: true,
      user: true,
      accessed: false,
      dirty: false,
      global: false,
      pageSize: PAGE_SIZE,
    };
  }
  const pde = tables.read32(((tables.cr3 & FRAME) + (gva >>> 22) * 4) >>> 0);
  if ((pde & PTE_P) === 0) return undefined;
  if ((pde & PTE_PS) !== 0 && (tables.cr4 & CR4_PSE) !== 0) {
    return found(tables, pde, pde, ((pde & LARGE_FRAME) | (gva & ~LARGE_FRAME)) >>> 0, LARGE_PAGE_SIZE);
  }
  const pte = tables.read32(((pde & FRAME) + ((gva >>> 12) & 0x3ff) * 4) >>> 0);
  if ((pte & PTE_P) === 0) return undefined;
  return found(tables, pde & pte, pte, ((pte & FRAME) | (gva & ~FRAME)) >>> 0, PAGE_SIZE);
}

function found(tables: GuestTables, rights: number, leaf: number, gpa: number, pageSize: number): Translated {
  return {
    gpa,
    hpa: tables.gpaToHpa(gpa),
    writable: (rights & PTE_W) !== 0,
    user: (rights & PTE_U) !== 0,
    accessed: (leaf & PTE_A) !== 0,
    dirty: (leaf & PTE_D) !== 0,
    global: (leaf & PTE_G) !== 0,
    pageSize,
  };
}

/**
 * The pages that the current tables map, in ascending order of GVA; none while paging is off.
 * @param most rows at most, so that a guest that maps everything costs no more
 */
export function pageTableRows(
  tables: GuestTables,
  most: number,
  second: (gva: number, gpa: number) => SecondEntry,
): PageTableRow[] {
  const rows: PageTableRow[] = [];
  if ((tables.cr0 & CR0_PG) === 0) return rows;
  for (let i = 0; i < 1024 && rows.length < most; i++) {
    const pdeAddress = ((tables.cr3 & FRAME) + i * 4) >>> 0;
    const pde = tables.read32(pdeAddress);
    if ((pde & PTE_P) === 0) continue;
    const gva = (i << 22) >>> 0;
    if ((pde & PTE_PS) !== 0 && (tables.cr4 & CR4_PSE) !== 0) {
      const gpa = (pde & LARGE_FRAME) >>> 0;
      const entry = { guestEntry: pde, guestEntryAddress: pdeAddress };
      rows.push({ gva, size: LARGE_PAGE_SIZE, ...entry, gpa, second: second(gva, gpa) });
      continue;
    }
    for (let j = 0; j < 1024 && rows.length < most; j++) {
      const pteAddress = ((pde & FRAME) + j * 4) >>> 0;
      const pte = tables.read32(pteAddress);
      if ((pte & PTE_P) === 0) continue;
      const page = (gva | (j << 12)) >>> 0;
      const gpa = (pte & FRAME) >>> 0;
      const entry = { guestEntry: pte, guestEntryAddress: pteAddress };
      rows.push({ gva: page, size: PAGE_SIZE, ...entry, gpa, second: second(page, gpa) });
    }
  }
  return rows;
}
