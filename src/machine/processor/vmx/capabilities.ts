/**
 * What this processor's VMX can do, as the capability MSRs report it (Intel SDM 3D, appendix "VMX Capability Reporting
 * Facility"); entry checks and control-register rules are derived from the same values.
 */
import {
  CR0_NE,
  CR0_PE,
  CR0_PG,
  CR4_DE,
  CR4_MCE,
  CR4_PGE,
  CR4_PSE,
  CR4_PVI,
  CR4_TSD,
  CR4_UMIP,
  CR4_VME,
  CR4_VMXE,
} from '../../../x86/paging-bits';
import { CONTROL_FIELDS, type ControlFieldName, Secondary } from '../../../x86/vmx/controls';

/** VMCS revision identifier, IA32_VMX_BASIC bits 30:0: any number that software must copy. */
export const VMCS_REVISION = 0x0052_1de5;
/** Bytes of a VMXON or VMCS region. */
export const VMCS_BYTES = 4096;

/** Optional parts of VMX by generation: flags of the CPU profile. */
export interface VmxFeatures {
  readonly vmx: boolean;
  readonly ept: boolean;
  readonly vpid: boolean;
  readonly unrestrictedGuest: boolean;
}

/** Bits that must be 1 in CR0 and CR4 in VMX operation (IA32_VMX_CR0_FIXED0, IA32_VMX_CR4_FIXED0). */
export const CR0_FIXED0 = (CR0_PG | CR0_NE | CR0_PE) >>> 0;
export const CR4_FIXED0 = CR4_VMXE;
/** CR0 bits that a VM entry or exit neither checks nor loads: ET, NW, CD and the reserved ones. */
export const CR0_UNTOUCHED = 0x7ffa_ffd0;
/** Bits that may be 1 (IA32_VMX_CR0_FIXED1, IA32_VMX_CR4_FIXED1). */
export const CR0_FIXED1 = 0xffff_ffff;
export const CR4_FIXED1 =
  CR4_VME |
  CR4_PVI |
  CR4_TSD |
  CR4_DE |
  CR4_PSE |
  CR4_MCE |
  CR4_PGE |
  (1 << 8) |
  (1 << 9) |
  (1 << 10) |
  CR4_UMIP |
  CR4_VMXE;

const SECONDARY_FEATURE: readonly (readonly [bit: number, feature: keyof VmxFeatures])[] = [
  [Secondary.enableEpt, 'ept'],
  [Secondary.enableVpid, 'vpid'],
  [Secondary.unrestrictedGuest, 'unrestrictedGuest'],
];

/** Bits of a control field that must be 1 and that may be 1 on a processor with these features. */
export function allowedControls(
  name: ControlFieldName,
  features: VmxFeatures,
): { readonly mustBeOne: number; readonly mayBeOne: number } {
  const { mustBeOne, mayBeOne } = CONTROL_FIELDS[name];
  if (name !== 'secondaryControls') return { mustBeOne, mayBeOne };
  const missing = SECONDARY_FEATURE.filter(([, feature]) => !features[feature]).reduce((all, [bit]) => all | bit, 0);
  return { mustBeOne, mayBeOne: (mayBeOne & ~missing) >>> 0 };
}

/** Control bits as software wants them, with the reserved bits that must be 1 added (the usual way to use the MSRs). */
export function adjustControls(name: ControlFieldName, wanted: number): number {
  return (wanted | CONTROL_FIELDS[name].mustBeOne) >>> 0;
}

const pair = (low: number, high: number): bigint => BigInt(low >>> 0) | (BigInt(high >>> 0) << 32n);

/** The capability MSRs' values by MSR address. */
export function capabilityMsrs(features: VmxFeatures): ReadonlyMap<number, bigint> {
  const controls = (name: ControlFieldName): bigint => {
    const { mustBeOne, mayBeOne } = allowedControls(name, features);
    return pair(mustBeOne, mayBeOne);
  };
  /** Execute-only no; walk length 4; UC and WB; 2 MiB pages; INVEPT and INVVPID with single- and all-context. */
  const eptVpid =
    (features.ept
      ? (1n << 6n) | (1n << 8n) | (1n << 14n) | (1n << 16n) | (1n << 20n) | (1n << 25n) | (1n << 26n)
      : 0n) | (features.vpid ? (1n << 32n) | (1n << 40n) | (1n << 41n) | (1n << 42n) : 0n);
  return new Map<number, bigint>([
    // IA32_VMX_BASIC: region size, 32-bit addresses (bit 48), write-back (6), string I/O information (54), true controls (55).
    [0x480, pair(VMCS_REVISION, VMCS_BYTES | (1 << 16) | (6 << 18) | (1 << 22) | (1 << 23))],
    [0x481, controls('pinBasedControls')],
    [0x482, controls('primaryControls')],
    [0x483, controls('exitControls')],
    [0x484, controls('entryControls')],
    // IA32_VMX_MISC: the HLT activity state; no CR3-target values.
    [0x485, 1n << 6n],
    [0x486, pair(CR0_FIXED0, 0)],
    [0x487, pair(CR0_FIXED1, 0)],
    [0x488, pair(CR4_FIXED0, 0)],
    [0x489, pair(CR4_FIXED1, 0)],
    [0x48b, controls('secondaryControls')],
    [0x48c, eptVpid],
    [0x48d, controls('pinBasedControls')],
    [0x48e, controls('primaryControls')],
    [0x48f, controls('exitControls')],
    [0x490, controls('entryControls')],
  ]);
}
