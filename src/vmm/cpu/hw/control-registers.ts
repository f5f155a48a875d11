/**
 * Which bits of CR0 and CR4 the VMM keeps from the guest, and how the guest's view and the real registers make each other
 * (Intel SDM 3C, "Guest/Host Masks and Read Shadows for CR0 and CR4").
 */
import {
  CR0_CD,
  CR0_NE,
  CR0_NW,
  CR0_PE,
  CR0_PG,
  CR0_WP,
  CR4_PAE,
  CR4_PGE,
  CR4_PSE,
  CR4_VMXE,
} from '../../../x86/paging-bits';

export interface ControlMasks {
  /** Host-owned bits of CR0: guests read the shadow, and changing one exits. */
  readonly cr0: number;
  readonly cr4: number;
  /** CR0 bits set in the real register whatever the guest wrote. */
  readonly cr0Set: number;
  readonly cr4Set: number;
  /** CR4 bits clear in the real register whatever the guest wrote. */
  readonly cr4Clear: number;
}

export const CONTROL_MASKS: Readonly<Record<'shadow' | 'nested', ControlMasks>> = {
  // The shadow is a two-level table of 4 KiB pages that binds supervisors too: paging and WP are really on, PSE and PGE
  // really off, whatever the guest believes.
  shadow: {
    cr0: (CR0_PE | CR0_NE | CR0_WP | CR0_NW | CR0_CD | CR0_PG) >>> 0,
    cr0Set: (CR0_PE | CR0_NE | CR0_WP | CR0_PG) >>> 0,
    cr4: 0xffff_ffff,
    cr4Set: CR4_VMXE,
    cr4Clear: CR4_PSE | CR4_PAE | CR4_PGE,
  },
  // With EPT and unrestricted guest the registers are the guest's own, but for what VMX operation fixes and CD and NW,
  // which VM entries do not load.
  nested: {
    cr0: (CR0_NE | CR0_NW | CR0_CD) >>> 0,
    cr0Set: CR0_NE,
    cr4: CR4_VMXE,
    cr4Set: CR4_VMXE,
    cr4Clear: 0,
  },
};

/** CD and NW stay as the host has them: clear. */
const CR0_CACHE = CR0_NW | CR0_CD;

export function realCr0(virtual: number, masks: ControlMasks): number {
  return ((virtual & ~CR0_CACHE) | masks.cr0Set) >>> 0;
}

export function realCr4(virtual: number, masks: ControlMasks): number {
  return ((virtual & ~masks.cr4Clear) | masks.cr4Set) >>> 0;
}

/** What the guest reads: host-owned bits from the shadow, the others from the real register. */
export function virtualRegister(real: number, shadow: number, mask: number): number {
  return ((real & ~mask) | (shadow & mask)) >>> 0;
}
