/** VM-execution, exit and entry control bits with names (Intel SDM 3C, "Virtual Machine Control Structures"). */

export interface ControlBit {
  readonly bit: number;
  /** As the manual writes it. */
  readonly name: string;
}

const mask = (bit: number): number => (1 << bit) >>> 0;

export const Pin = {
  externalInterruptExiting: mask(0),
  nmiExiting: mask(3),
} as const;

export const Primary = {
  interruptWindowExiting: mask(2),
  useTscOffsetting: mask(3),
  hltExiting: mask(7),
  invlpgExiting: mask(9),
  mwaitExiting: mask(10),
  rdpmcExiting: mask(11),
  rdtscExiting: mask(12),
  cr3LoadExiting: mask(15),
  cr3StoreExiting: mask(16),
  movDrExiting: mask(23),
  unconditionalIoExiting: mask(24),
  useIoBitmaps: mask(25),
  monitorExiting: mask(29),
  pauseExiting: mask(30),
  activateSecondary: mask(31),
} as const;

export const Secondary = {
  enableEpt: mask(1),
  descriptorTableExiting: mask(2),
  enableVpid: mask(5),
  wbinvdExiting: mask(6),
  unrestrictedGuest: mask(7),
} as const;

export const ExitControl = {
  saveDebugControls: mask(2),
  hostAddressSpaceSize: mask(9),
  acknowledgeInterrupt: mask(15),
} as const;

export const EntryControl = {
  loadDebugControls: mask(2),
  ia32eModeGuest: mask(9),
} as const;

/** One control field: the bits that software may set, and the default-1 bits of the capability MSRs that it must set. */
export interface ControlField {
  /** As the manual writes it. */
  readonly name: string;
  readonly bits: readonly ControlBit[];
  /** Reserved bits that must be 1 (IA32_VMX_*_CTLS, low half). */
  readonly mustBeOne: number;
  /** Bits that may be 1 (IA32_VMX_*_CTLS, high half). */
  readonly mayBeOne: number;
}

function field(name: string, mustBeOne: number, bits: readonly ControlBit[]): ControlField {
  const mayBeOne = bits.reduce((all, { bit }) => all | (1 << bit), mustBeOne) >>> 0;
  return { name, bits, mustBeOne: mustBeOne >>> 0, mayBeOne };
}

const bit = (number: number, name: string): ControlBit => ({ bit: number, name });

/** The default-1 classes are those of the manual's appendix "VMX Capability Reporting Facility". */
export const CONTROL_FIELDS = {
  pinBasedControls: field('pin-based VM-execution controls', 0x16, [
    bit(0, 'External-interrupt exiting'),
    bit(3, 'NMI exiting'),
  ]),
  primaryControls: field('primary processor-based VM-execution controls', 0x0400_6172, [
    bit(2, 'Interrupt-window exiting'),
    bit(3, 'Use TSC offsetting'),
    bit(7, 'HLT exiting'),
    bit(9, 'INVLPG exiting'),
    bit(10, 'MWAIT exiting'),
    bit(11, 'RDPMC exiting'),
    bit(12, 'RDTSC exiting'),
    bit(15, 'CR3-load exiting'),
    bit(16, 'CR3-store exiting'),
    bit(23, 'MOV-DR exiting'),
    bit(24, 'Unconditional I/O exiting'),
    bit(25, 'Use I/O bitmaps'),
    bit(29, 'MONITOR exiting'),
    bit(30, 'PAUSE exiting'),
    bit(31, 'Activate secondary controls'),
  ]),
  secondaryControls: field('secondary processor-based VM-execution controls', 0, [
    bit(1, 'Enable EPT'),
    bit(2, 'Descriptor-table exiting'),
    bit(5, 'Enable VPID'),
    bit(6, 'WBINVD exiting'),
    bit(7, 'Unrestricted guest'),
  ]),
  exitControls: field('VM-exit controls', 0x0003_6dfb, [
    bit(2, 'Save debug controls'),
    bit(15, 'Acknowledge interrupt on exit'),
  ]),
  entryControls: field('VM-entry controls', 0x0000_11fb, [bit(2, 'Load debug controls')]),
} as const;

export type ControlFieldName = keyof typeof CONTROL_FIELDS;
