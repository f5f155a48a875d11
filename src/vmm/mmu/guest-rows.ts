/** The pages that the guest's current tables map, each with its second-stage entry, for views. Reading changes nothing. */
import type { PageTableRow, SecondEntry } from '../../machine/guest-view';
import { pageTableRows } from '../../machine/guest-tables';
import type { Vcpu } from '../vcpu';
import type { Vm } from '../vm';
import { guestTables } from './guest-space';

/**
 * @param most rows at most
 * @param second the second-stage entry of a row, given its GVA and GPA
 */
export function guestRows(
  vm: Vm,
  vcpu: Vcpu,
  most: number,
  second: (gva: number, gpa: number) => SecondEntry,
): PageTableRow[] {
  return pageTableRows(guestTables(vm, vcpu.state), most, second);
}
