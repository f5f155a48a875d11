/** The guest's own page tables as the VMM walks them in software: guest-physical memory read and written by GPA. */
import { type MemoryAccess, type PhysicalSpace, type Walk, type WalkTrace, walk } from '../../machine/processor/walker';
import type { Translated } from '../../machine/guest-view';
import { GuestFault } from '../../x86/exceptions';
import { PTE_A } from '../../x86/paging-bits';
import type { Vcpu } from '../vcpu';
import type { Vm } from '../vm';

/** Guest-physical memory for walks whose A and D upkeep is part of the guest's run. */
export function guestSpace(vm: Vm): PhysicalSpace {
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

/** Looks a GVA up without any side effect; undefined where the guest maps nothing. */
export function lookUpGuest(vm: Vm, registers: { cr0: number; cr3: number; cr4: number }, gva: number): Translated | undefined {
  let leaf = PTE_A;
  const space: PhysicalSpace = { read32: (gpa) => vm.read(gpa, 4), write32: () => {} };
  try {
    // Supervisor reads pass every right, and without writes nothing changes.
    const found = walk(space, { cr0: registers.cr0, cr3: registers.cr3, cr4: registers.cr4 }, gva, 'read', false, (_level, _address, value) => {
      leaf = value;
    });
    return {
      gpa: found.pa,
      hpa: vm.gpaToHpa(found.pa),
      writable: found.writable,
      user: found.user,
      accessed: (leaf & PTE_A) !== 0,
      dirty: found.dirty,
      global: found.global,
      pageSize: found.large ? 0x400000 : 0x1000,
    };
  } catch (error) {
    if (error instanceof GuestFault) return undefined;
    throw error;
  }
}

