/** The pages that the guest's current tables map, in ascending order of GVA, for views. Reading changes nothing. */
import { CR0_PG, CR4_PSE, PAGE_SIZE, PTE_P, PTE_PS } from '../../x86/paging-bits';
import type { PageTableRow, SecondEntry } from '../../machine/guest-view';
import type { Vcpu } from '../vcpu';
import type { Vm } from '../vm';

const FRAME = 0xfffff000;
const LARGE_FRAME = 0xffc00000;
const LARGE_SIZE = 0x400000;

/**
 * @param second the second-stage entry of a row, given its GVA and GPA
 * @param most rows at most, so that a guest that maps everything costs no more
 */
export function guestRows(
  vm: Vm,
  vcpu: Vcpu,
  most: number,
  second: (gva: number, gpa: number) => SecondEntry,
): PageTableRow[] {
  const { cr0, cr3, cr4 } = vcpu.state;
  const rows: PageTableRow[] = [];
  if ((cr0 & CR0_PG) === 0) return rows;
  for (let i = 0; i < 1024 && rows.length < most; i++) {
    const pdeAddress = ((cr3 & FRAME) + i * 4) >>> 0;
    const pde = vm.read(pdeAddress, 4);
    if ((pde & PTE_P) === 0) continue;
    const gva = (i << 22) >>> 0;
    if ((pde & PTE_PS) !== 0 && (cr4 & CR4_PSE) !== 0) {
      const gpa = (pde & LARGE_FRAME) >>> 0;
      rows.push({ gva, size: LARGE_SIZE, guestEntry: pde, guestEntryAddress: pdeAddress, gpa, second: second(gva, gpa) });
      continue;
    }
    for (let j = 0; j < 1024 && rows.length < most; j++) {
      const pteAddress = ((pde & FRAME) + j * 4) >>> 0;
      const pte = vm.read(pteAddress, 4);
      if ((pte & PTE_P) === 0) continue;
      const page = (gva | (j << 12)) >>> 0;
      const gpa = (pte & FRAME) >>> 0;
      rows.push({ gva: page, size: PAGE_SIZE, guestEntry: pte, guestEntryAddress: pteAddress, gpa, second: second(page, gpa) });
    }
  }
  return rows;
}
