/**
 * The checks of a VM entry in the manual's order: control fields, host state, guest state (Intel SDM 3C, "VM Entries":
 * "Checks on VMX Controls", "Checks on Host-State Area", "Checking and Loading Guest State"). The first rule that is
 * broken is the answer.
 */
import type { FieldName } from '../../../x86/vmx/fields';
import { CONTROL_FIELDS, type ControlFieldName, EntryControl, Primary, Secondary } from '../../../x86/vmx/controls';
import { EPT_ADDRESS_LIMIT, EPT_LEVELS, EPT_TYPE_UNCACHEABLE, EPT_TYPE_WRITE_BACK } from '../../../x86/vmx/ept';
import { INTERRUPTION_VALID, unpackInterruption } from '../../../x86/vmx/interruption';
import { CR0_PE } from '../../../x86/paging-bits';
import { exceptionInfo } from '../../../x86/exceptions';
import { CR0_FIXED0, CR4_FIXED0, CR4_FIXED1, type VmxFeatures, allowedControls } from './capabilities';
import { EventType } from './interface';
import type { Vmcs } from './vmcs';

/** Why a VM entry failed. */
export interface EntryFailure {
  readonly field: FieldName;
  readonly value: bigint;
  /** The rule that the value breaks, as a clause: "must be ...". */
  readonly rule: string;
  /** Title of the manual's section. */
  readonly chapter: string;
}

/** A failure as a sentence for people. */
export function entryFailureText({ field, value, rule, chapter }: EntryFailure): string {
  return `VM entry failed: ${field} is 0x${value.toString(16)}; it ${rule} (Intel SDM 3C, "${chapter}").`;
}

/** The VMCS under check, with the questions that several rules ask. */
export class EntrySubject {
  constructor(
    readonly vmcs: Vmcs,
    readonly features: VmxFeatures,
  ) {}

  get(name: FieldName): number {
    return this.vmcs.get(name);
  }

  has(bit: number): boolean {
    return (this.get('primaryControls') & bit) !== 0;
  }

  /** A secondary control, zero while they are not activated. */
  hasSecondary(bit: number): boolean {
    return this.has(Primary.activateSecondary) && (this.get('secondaryControls') & bit) !== 0;
  }

  get unrestricted(): boolean {
    return this.hasSecondary(Secondary.unrestrictedGuest);
  }
}

/** One rule: the field it is about, and the clause when it is broken. */
export interface EntryRule {
  readonly field: FieldName;
  /** The clause of the broken rule, undefined when all is well. */
  readonly broken: (subject: EntrySubject) => string | undefined;
}

export const rule = (field: FieldName, clause: string, holds: (s: EntrySubject) => boolean): EntryRule => ({
  field,
  broken: (s) => (holds(s) ? undefined : clause),
});

/** Runs rules in order; the first that is broken. */
export function firstFailure(
  rules: readonly EntryRule[],
  subject: EntrySubject,
  chapter: string,
): EntryFailure | undefined {
  for (const { field, broken } of rules) {
    const clause = broken(subject);
    if (clause !== undefined) return { field, value: subject.vmcs.get64(field), rule: clause, chapter };
  }
  return undefined;
}

function reservedBits(name: ControlFieldName, applies: (s: EntrySubject) => boolean = () => true): EntryRule {
  return {
    field: name,
    broken: (s) => {
      if (!applies(s)) return undefined;
      const { mustBeOne, mayBeOne } = allowedControls(name, s.features);
      const value = s.get(name);
      const missing = (mustBeOne & ~value) >>> 0;
      if (missing !== 0)
        return `must have the reserved bits 0x${missing.toString(16)} set (default-1 class of the capability MSR)`;
      const extra = (value & ~mayBeOne) >>> 0;
      if (extra === 0) return undefined;
      const known = CONTROL_FIELDS[name].bits.find(({ bit }) => ((extra >>> bit) & 1) !== 0);
      return known === undefined
        ? `must not set the bits 0x${extra.toString(16)}, which this processor does not support`
        : `must not set "${known.name}", which this processor does not support`;
    },
  };
}

const isFrame = (value: number): boolean => (value & 0xfff) === 0;

function eptPointerClause(s: EntrySubject): string | undefined {
  if (!s.hasSecondary(Secondary.enableEpt)) return undefined;
  const low = s.get('eptPointer');
  const type = low & 7;
  if (type !== EPT_TYPE_UNCACHEABLE && type !== EPT_TYPE_WRITE_BACK) return 'must have memory type 0 or 6 in bits 2:0';
  if (((low >>> 3) & 7) !== EPT_LEVELS - 1) return `must have ${EPT_LEVELS - 1} (walk length less one) in bits 5:3`;
  if ((low & 0xfc0) !== 0) return 'must have zero in bits 11:6';
  if (s.vmcs.get64('eptPointer') >= BigInt(EPT_ADDRESS_LIMIT)) return 'must not exceed the physical-address width';
  return undefined;
}

const CONTROL_RULES: readonly EntryRule[] = [
  reservedBits('pinBasedControls'),
  reservedBits('primaryControls'),
  reservedBits('secondaryControls', (s) => s.has(Primary.activateSecondary)),
  rule('cr3TargetCount', 'must be 0: this processor has no CR3-target values', (s) => s.get('cr3TargetCount') === 0),
  rule('ioBitmapA', 'must be 4 KiB aligned', (s) => !s.has(Primary.useIoBitmaps) || isFrame(s.get('ioBitmapA'))),
  rule('ioBitmapB', 'must be 4 KiB aligned', (s) => !s.has(Primary.useIoBitmaps) || isFrame(s.get('ioBitmapB'))),
  rule(
    'vpid',
    'must not be 0 while "Enable VPID" is set',
    (s) => !s.hasSecondary(Secondary.enableVpid) || s.get('vpid') !== 0,
  ),
  { field: 'eptPointer', broken: eptPointerClause },
  rule(
    'secondaryControls',
    'must set "Enable EPT" along with "Unrestricted guest"',
    (s) => !s.unrestricted || s.hasSecondary(Secondary.enableEpt),
  ),
  reservedBits('exitControls'),
  rule('exitMsrStoreCount', 'must be 0: this processor has no MSR areas', (s) => s.get('exitMsrStoreCount') === 0),
  rule('exitMsrLoadCount', 'must be 0: this processor has no MSR areas', (s) => s.get('exitMsrLoadCount') === 0),
  reservedBits('entryControls'),
  { field: 'entryInterruption', broken: injectionClause },
  rule('entryErrorCode', 'must have zero in bits 31:16', (s) => {
    const event = unpackInterruption(s.get('entryInterruption'));
    return event?.hasErrorCode !== true || s.get('entryErrorCode') <= 0xffff;
  }),
  rule('entryInstructionLength', 'must be 1 to 15 for a software interrupt or exception', (s) => {
    const event = unpackInterruption(s.get('entryInterruption'));
    const length = s.get('entryInstructionLength');
    return event === undefined || event.type < EventType.softwareInterrupt || (length >= 1 && length <= 15);
  }),
  rule('entryMsrLoadCount', 'must be 0: this processor has no MSR areas', (s) => s.get('entryMsrLoadCount') === 0),
];

function injectionClause(s: EntrySubject): string | undefined {
  const field = s.get('entryInterruption');
  const event = unpackInterruption(field);
  if (event === undefined) return undefined;
  if (event.type === 1 || event.type === 7) return `must not have the reserved interruption type ${event.type}`;
  if (event.type === EventType.nmi && event.vector !== 2) return 'must have vector 2 for an NMI';
  if (event.type === EventType.hardwareException && event.vector > 31)
    return 'must have a vector below 32 for a hardware exception';
  const protectedMode = !s.unrestricted || (s.get('guestCr0') & CR0_PE) !== 0;
  const wanted =
    protectedMode && event.type === EventType.hardwareException && exceptionInfo(event.vector)?.errorCode === true;
  if (event.hasErrorCode !== wanted) {
    return wanted ? 'must deliver an error code for this exception' : 'must not deliver an error code for this event';
  }
  if ((field & ~INTERRUPTION_VALID & ~0xfff) !== 0) return 'must have zero in bits 30:12';
  return undefined;
}

const hasFixed0 = (value: number, fixed: number): boolean => (value & fixed) >>> 0 === fixed;
const CR4_CLAUSE = `must have VMXE set and only bits of 0x${CR4_FIXED1.toString(16)} (IA32_VMX_CR4_FIXED0 and FIXED1)`;
const cr4Holds = (value: number): boolean => hasFixed0(value, CR4_FIXED0) && (value & ~CR4_FIXED1) === 0;

const hostSelector = (field: FieldName, mayBeNull: boolean): EntryRule => ({
  field,
  broken: (s) => {
    const selector = s.get(field);
    if ((selector & 7) !== 0) return 'must have RPL 0 and TI 0';
    return selector === 0 && !mayBeNull ? 'must not be a null selector' : undefined;
  },
});

const HOST_RULES: readonly EntryRule[] = [
  rule('hostCr0', 'must have PG, NE and PE set (IA32_VMX_CR0_FIXED0)', (s) => hasFixed0(s.get('hostCr0'), CR0_FIXED0)),
  rule('hostCr4', CR4_CLAUSE, (s) => cr4Holds(s.get('hostCr4'))),
  hostSelector('hostCsSelector', false),
  hostSelector('hostSsSelector', false),
  hostSelector('hostDsSelector', true),
  hostSelector('hostEsSelector', true),
  hostSelector('hostFsSelector', true),
  hostSelector('hostGsSelector', true),
  hostSelector('hostTrSelector', false),
  rule(
    'entryControls',
    'must not set "IA-32e mode guest": the host is not in IA-32e mode',
    (s) => (s.get('entryControls') & EntryControl.ia32eModeGuest) === 0,
  ),
];

export function checkControls(subject: EntrySubject): EntryFailure | undefined {
  return firstFailure(CONTROL_RULES, subject, 'Checks on VMX Controls');
}

export function checkHostState(subject: EntrySubject): EntryFailure | undefined {
  return firstFailure(HOST_RULES, subject, 'Checks on Host-State Area');
}

/** CR4 rule of both areas. */
export const guestCr4Rule: EntryRule = rule('guestCr4', CR4_CLAUSE, (s) => cr4Holds(s.get('guestCr4')));
