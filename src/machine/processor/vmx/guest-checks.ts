/**
 * The checks of the guest-state area at VM entry (Intel SDM 3C, "VM Entries": "Checks on the Guest State Area"), for 32-bit
 * guests; a failure is a VM exit with reason 33.
 */
import { AR_G, AR_P, AR_S, AR_UNUSABLE } from '../../../engine/state';
import { FLAG_FIXED, FLAG_IF, FLAG_VM } from '../../../x86/flags';
import { CR0_NE, CR0_PE, CR0_PG } from '../../../x86/paging-bits';
import { CS, LDTR, SS, TR } from '../../../x86/registers';
import { unpackInterruption } from '../../../x86/vmx/interruption';
import { CR0_FIXED0 } from './capabilities';
import { type EntryFailure, type EntryRule, type EntrySubject, firstFailure, guestCr4Rule, rule } from './entry-checks';
import { EventType } from './interface';
import { GUEST_SEGMENTS, type GuestSegmentFields } from './state-areas';

const CONTROL_REGISTERS: readonly EntryRule[] = [
  {
    field: 'guestCr0',
    broken: (s) => {
      const fixed = s.unrestricted ? CR0_NE : CR0_FIXED0;
      const value = s.get('guestCr0');
      if ((value & fixed) >>> 0 !== fixed) {
        return s.unrestricted
          ? 'must have NE set (IA32_VMX_CR0_FIXED0)'
          : 'must have PG, NE and PE set: without "Unrestricted guest" IA32_VMX_CR0_FIXED0 fixes them';
      }
      return (value & CR0_PG) !== 0 && (value & CR0_PE) === 0 ? 'must not have PG set while PE is clear' : undefined;
    },
  },
  guestCr4Rule,
];

const AR_RESERVED = 0xf00;
const type = (ar: number): number => ar & 0xf;
const dpl = (ar: number): number => (ar >>> 5) & 3;
const rpl = (selector: number): number => selector & 3;

function codeClause(s: EntrySubject, ar: number): string | undefined {
  const ssDpl = dpl(s.get('guestSsAccessRights'));
  switch (type(ar)) {
    case 3:
      if (!s.unrestricted) return 'must have a code-segment type (type 3 needs "Unrestricted guest")';
      return dpl(ar) === 0 ? undefined : 'must have DPL 0 for type 3';
    case 9:
    case 11:
      return dpl(ar) === ssDpl ? undefined : 'must have the DPL of SS (a nonconforming code segment)';
    case 13:
    case 15:
      return dpl(ar) <= ssDpl ? undefined : 'must not have a DPL above that of SS (a conforming code segment)';
    default:
      return 'must have the type of an accessed code segment';
  }
}

function stackClause(s: EntrySubject, ar: number): string | undefined {
  if (![3, 7].includes(type(ar))) return 'must have the type of an accessed, writable data segment';
  if (!s.unrestricted && dpl(ar) !== rpl(s.get('guestSsSelector')))
    return "must have a DPL equal to the selector's RPL";
  if (type(s.get('guestCsAccessRights')) === 3 && dpl(ar) !== 0) return 'must have DPL 0 while CS has type 3';
  return undefined;
}

function dataClause(s: EntrySubject, ar: number, selector: number): string | undefined {
  if ((ar & 1) === 0) return 'must have the accessed bit set';
  if ((ar & 8) !== 0 && (ar & 2) === 0) return 'must be readable';
  if (!s.unrestricted && type(ar) <= 11 && dpl(ar) < rpl(selector))
    return "must have a DPL not below the selector's RPL";
  return undefined;
}

/** Granularity and limit agree: low bits set with G, high bits clear without. */
function limitClause(ar: number, limit: number): string | undefined {
  if ((limit & 0xfff) !== 0xfff && (ar & AR_G) !== 0)
    return 'must have G clear: bits 11:0 of the limit are not all ones';
  if ((limit & 0xfff0_0000) !== 0 && (ar & AR_G) === 0) return 'must have G set: bits 31:20 of the limit are not zero';
  return undefined;
}

/** Code, stack and data segments. */
function segmentRule(fields: GuestSegmentFields): EntryRule {
  return {
    field: fields.accessRights,
    broken: (s) => {
      const ar = s.get(fields.accessRights);
      if ((ar & AR_UNUSABLE) !== 0) return fields.segment === CS ? 'must not be marked unusable' : undefined;
      const kind =
        fields.segment === CS
          ? codeClause(s, ar)
          : fields.segment === SS
            ? stackClause(s, ar)
            : dataClause(s, ar, s.get(fields.selector));
      if (kind !== undefined) return kind;
      if ((ar & AR_S) === 0) return 'must have S set (a code or data segment)';
      if ((ar & AR_P) === 0) return 'must have P set';
      if ((ar & AR_RESERVED) !== 0) return 'must have zero in bits 11:8';
      return limitClause(ar, s.get(fields.limit));
    },
  };
}

/** TR and LDTR. */
function systemRule(fields: GuestSegmentFields): EntryRule {
  return {
    field: fields.accessRights,
    broken: (s) => {
      const ar = s.get(fields.accessRights);
      if ((ar & AR_UNUSABLE) !== 0) return fields.segment === TR ? 'must not be marked unusable' : undefined;
      if (fields.segment === TR && ![3, 11].includes(type(ar))) return 'must have the type of a busy TSS (3 or 11)';
      if (fields.segment === LDTR && type(ar) !== 2) return 'must have type 2 (an LDT)';
      if ((ar & AR_S) !== 0) return 'must have S clear (a system segment)';
      if ((ar & AR_P) === 0) return 'must have P set';
      if ((ar & AR_RESERVED) !== 0) return 'must have zero in bits 11:8';
      return limitClause(ar, s.get(fields.limit));
    },
  };
}

const SEGMENTS: readonly EntryRule[] = [
  rule('guestTrSelector', 'must have TI 0', (s) => (s.get('guestTrSelector') & 4) === 0),
  rule(
    'guestLdtrSelector',
    'must have TI 0',
    (s) => (s.get('guestLdtrAccessRights') & AR_UNUSABLE) !== 0 || (s.get('guestLdtrSelector') & 4) === 0,
  ),
  rule(
    'guestSsSelector',
    'must have the RPL of CS',
    (s) => s.unrestricted || rpl(s.get('guestSsSelector')) === rpl(s.get('guestCsSelector')),
  ),
  ...GUEST_SEGMENTS.map((fields) =>
    fields.segment === TR || fields.segment === LDTR ? systemRule(fields) : segmentRule(fields),
  ),
];

const injects = (s: EntrySubject, eventType: number): boolean =>
  unpackInterruption(s.get('entryInterruption'))?.type === eventType;

/** Reserved: bits 63:22, 15, 5 and 3. */
const RFLAGS_RESERVED = 0xffc0_8028;
const STI_BLOCKING = 1;
const MOV_SS_BLOCKING = 2;
const ACTIVE = 0;
const HLT = 1;

const REST: readonly EntryRule[] = [
  rule('guestGdtrLimit', 'must have zero in bits 31:16', (s) => s.get('guestGdtrLimit') <= 0xffff),
  rule('guestIdtrLimit', 'must have zero in bits 31:16', (s) => s.get('guestIdtrLimit') <= 0xffff),
  {
    field: 'guestRflags',
    broken: (s) => {
      const flags = s.get('guestRflags');
      if ((flags & RFLAGS_RESERVED) !== 0) return 'must have its reserved bits clear';
      if ((flags & FLAG_FIXED) === 0) return 'must have bit 1 set';
      if ((flags & FLAG_VM) !== 0) return 'must have VM clear: this version enters no virtual-8086 guests';
      if ((flags & FLAG_IF) === 0 && injects(s, EventType.externalInterrupt)) {
        return 'must have IF set while an external interrupt is injected';
      }
      return undefined;
    },
  },
  {
    field: 'guestActivity',
    broken: (s) => {
      const activity = s.get('guestActivity');
      if (activity > HLT) return 'must be an activity state that this processor supports: 0 (active) or 1 (HLT)';
      if (activity === HLT && dpl(s.get('guestSsAccessRights')) !== 0)
        return 'must not be HLT while the DPL of SS is not 0';
      if (activity !== ACTIVE && (s.get('guestInterruptibility') & 3) !== 0)
        return 'must be active while STI or MOV SS blocks';
      return undefined;
    },
  },
  {
    field: 'guestInterruptibility',
    broken: (s) => {
      const blocking = s.get('guestInterruptibility');
      if ((blocking & ~0xf) !== 0) return 'must have zero in bits 31:4';
      if ((blocking & 3) === 3) return 'must not have blocking by STI and by MOV SS at once';
      if ((blocking & STI_BLOCKING) !== 0 && (s.get('guestRflags') & FLAG_IF) === 0) {
        return 'must not have blocking by STI while RFLAGS.IF is clear';
      }
      if ((blocking & 3) !== 0 && injects(s, EventType.externalInterrupt)) {
        return 'must have no blocking by STI or MOV SS while an external interrupt is injected';
      }
      if ((blocking & MOV_SS_BLOCKING) !== 0 && injects(s, EventType.nmi)) {
        return 'must have no blocking by MOV SS while an NMI is injected';
      }
      return undefined;
    },
  },
  {
    field: 'vmcsLinkPointer',
    broken: (s) =>
      s.vmcs.get64('vmcsLinkPointer') === 0xffff_ffff_ffff_ffffn ? undefined : 'must be all ones (no VMCS is linked)',
  },
];

const GUEST_RULES: readonly EntryRule[] = [...CONTROL_REGISTERS, ...SEGMENTS, ...REST];

export function checkGuestState(subject: EntrySubject): EntryFailure | undefined {
  return firstFailure(GUEST_RULES, subject, 'Checks on the Guest State Area');
}
