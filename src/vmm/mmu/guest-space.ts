/** The guest's own page tables as the VMM walks them in software: guest-physical memory read and written by GPA. */
import { type GuestTables, translateQuietly } from '../../machine/guest-tables';
import type { Translated } from '../../machine/guest-view';
import {
  type MemoryAccess,
  type PagingRegisters,
  type PhysicalSpace,
  type Walk,
  type WalkTrace,
  walk,
} from '../../machine/processor/walker';
import type { Vcpu } from '../vcpu';
import type { Vm } from '../vm';

/** Guest-physical memory for walks whose A and D upkeep is part of the guest's run. */
function guestSpace(vm: Vm): PhysicalSpace {
  return {
    read32: (gpa) => vm.read(gpa, 4),
    write32: (gpa, entry) => vm.writeWalkBits(gpa, entry),
  };
}

/** Walks the guest's tables as its processor would, A and D included. @throws GuestFault as the guest must see it */
export function walkGuest(
  vm: Vm,
  vcpu: Vcpu,
  gva: number,
  access: MemoryAccess,
  user: boolean,
  trace?: WalkTrace,
): Walk {
  return walk(guestSpace(vm), vcpu.state, gva, access, user, trace);
}

/** The guest's tables for looking only. */
export function guestTables(vm: Vm, registers: PagingRegisters): GuestTables {
  const { cr0, cr3, cr4 } = registers;
  return { cr0, cr3, cr4, read32: (gpa) => vm.read(gpa, 4), gpaToHpa: (gpa) => vm.gpaToHpa(gpa) };
}

/** Looks a GVA up without any side effect; undefined where the guest maps nothing. */
export function lookUpGuest(vm: Vm, registers: PagingRegisters, gva: number): Translated | undefined {
  return translateQuietly(guestTables(vm, registers), gva);
}
