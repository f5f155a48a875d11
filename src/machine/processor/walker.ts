/**
 * The page walk of 32-bit paging: two levels, 4 KiB pages and 4 MiB pages (Intel SDM 3A, "Paging", "32-Bit Paging").
 *
 * A function of its arguments only: the processor walks its own tables with it, VMX walks a guest's tables through the
 * EPT with it, and a VMM walks guest tables in software with it, so that all three agree bit by bit.
 */
import { GuestFault, PF, PF_PRESENT, PF_RESERVED, PF_USER, PF_WRITE } from '../../x86/exceptions';
import {
  CR0_PG,
  CR0_WP,
  CR4_PGE,
  CR4_PSE,
  FRAME,
  LARGE_FRAME,
  PTE_A,
  PTE_D,
  PTE_G,
  PTE_P,
  PTE_PS,
  PTE_U,
  PTE_W,
} from '../../x86/paging-bits';

/** Where the tables lie: host memory natively, guest-physical memory behind the EPT or a VMM's map under virtualization. */
export interface PhysicalSpace {
  /** Reads the 4 bytes at an address that is a multiple of 4. May throw a VM exit. */
  read32(address: number): number;
  write32(address: number, value: number): void;
}

/** Told of each table entry read: level 2 is the page directory, 1 the page table; the value before A and D are set. */
export type WalkTrace = (level: number, address: number, value: number) => void;

export type MemoryAccess = 'read' | 'write' | 'fetch';

/** The registers that decide a walk. */
export interface PagingRegisters {
  readonly cr0: number;
  readonly cr3: number;
  readonly cr4: number;
}

export interface Walk {
  /** Physical address of the byte that was asked for. */
  readonly pa: number;
  /** R/W of all levels. */
  readonly writable: boolean;
  /** U/S of all levels. */
  readonly user: boolean;
  /** The leaf's D flag after this walk. */
  readonly dirty: boolean;
  readonly global: boolean;
  /** True for a 4 MiB page. */
  readonly large: boolean;
}

/** Physical addresses have 32 bits and there is no PSE-36: these bits of a 4 MiB entry are reserved. */
const LARGE_RESERVED = 0x003fe000;

/**
 * Translates one linear address. On success it sets A in the entries used, and D in the leaf for a write; on a fault it
 * has changed nothing.
 * @param user the access is made with user privilege (CPL 3 and no implicit supervisor access)
 * @throws GuestFault #PF with the exact error code
 */
export function walk(
  space: PhysicalSpace,
  registers: PagingRegisters,
  linear: number,
  access: MemoryAccess,
  user: boolean,
  trace?: WalkTrace,
): Walk {
  if ((registers.cr0 & CR0_PG) === 0) {
    return { pa: linear, writable: true, user: true, dirty: true, global: false, large: false };
  }
  const write = access === 'write';
  const accessCode = (write ? PF_WRITE : 0) | (user ? PF_USER : 0);

  const pdeAddress = ((registers.cr3 & FRAME) | ((linear >>> 20) & 0xffc)) >>> 0;
  const pde = space.read32(pdeAddress);
  trace?.(2, pdeAddress, pde);
  if ((pde & PTE_P) === 0) throw new GuestFault(PF, accessCode, linear);

  if ((pde & PTE_PS) !== 0 && (registers.cr4 & CR4_PSE) !== 0) {
    if ((pde & LARGE_RESERVED) !== 0) throw new GuestFault(PF, accessCode | PF_PRESENT | PF_RESERVED, linear);
    checkRights(pde, registers.cr0, write, user, accessCode, linear);
    const updated = pde | PTE_A | (write ? PTE_D : 0);
    if (updated !== pde) space.write32(pdeAddress, updated >>> 0);
    return result(pde, updated, registers, ((pde & LARGE_FRAME) | (linear & ~LARGE_FRAME)) >>> 0, true);
  }

  const pteAddress = ((pde & FRAME) | ((linear >>> 10) & 0xffc)) >>> 0;
  const pte = space.read32(pteAddress);
  trace?.(1, pteAddress, pte);
  if ((pte & PTE_P) === 0) throw new GuestFault(PF, accessCode, linear);
  const rights = pde & pte;
  checkRights(rights, registers.cr0, write, user, accessCode, linear);
  if ((pde & PTE_A) === 0) space.write32(pdeAddress, (pde | PTE_A) >>> 0);
  // A directory that maps itself may have given this very entry its A flag just now.
  const leaf = pteAddress === pdeAddress ? pte | PTE_A : pte;
  const updated = leaf | PTE_A | (write ? PTE_D : 0);
  if (updated !== leaf) space.write32(pteAddress, updated >>> 0);
  return result(
    (rights & (PTE_W | PTE_U)) | (pte & PTE_G),
    updated,
    registers,
    ((pte & FRAME) | (linear & 0xfff)) >>> 0,
    false,
  );
}

function checkRights(rights: number, cr0: number, write: boolean, user: boolean, code: number, linear: number): void {
  const denied =
    (user && (rights & PTE_U) === 0) || (write && (rights & PTE_W) === 0 && (user || (cr0 & CR0_WP) !== 0));
  if (denied) throw new GuestFault(PF, code | PF_PRESENT, linear);
}

function result(rights: number, leaf: number, registers: PagingRegisters, pa: number, large: boolean): Walk {
  return {
    pa,
    writable: (rights & PTE_W) !== 0,
    user: (rights & PTE_U) !== 0,
    dirty: (leaf & PTE_D) !== 0,
    global: (rights & PTE_G) !== 0 && (registers.cr4 & CR4_PGE) !== 0,
    large,
  };
}
