/**
 * The guest-state and host-state areas: what a VM exit saves and loads and what a VM entry loads (Intel SDM 3C, "VM
 * Exits": "Saving Guest State", "Loading Host State"; "VM Entries": "Loading Guest State").
 */
import { AR_DB, AR_DPL_SHIFT, AR_G, AR_P, AR_S, AR_UNUSABLE, type CpuState, OFF } from '../../../engine/state';
import { FLAG_FIXED } from '../../../x86/flags';
import { CS, DS, ES, FS, GS, LDTR, SS, type SegmentIndex, TR, RSP } from '../../../x86/registers';
import type { FieldName } from '../../../x86/vmx/fields';
import { CR0_UNTOUCHED } from './capabilities';
import type { Vmcs } from './vmcs';

export interface GuestSegmentFields {
  readonly segment: SegmentIndex;
  readonly selector: FieldName;
  readonly base: FieldName;
  readonly limit: FieldName;
  readonly accessRights: FieldName;
}

const guestSegment = <S extends 'Es' | 'Cs' | 'Ss' | 'Ds' | 'Fs' | 'Gs' | 'Ldtr' | 'Tr'>(
  segment: SegmentIndex,
  name: S,
): GuestSegmentFields => ({
  segment,
  selector: `guest${name}Selector`,
  base: `guest${name}Base`,
  limit: `guest${name}Limit`,
  accessRights: `guest${name}AccessRights`,
});

/** The fields of each guest segment register. */
export const GUEST_SEGMENTS: readonly GuestSegmentFields[] = [
  guestSegment(ES, 'Es'),
  guestSegment(CS, 'Cs'),
  guestSegment(SS, 'Ss'),
  guestSegment(DS, 'Ds'),
  guestSegment(FS, 'Fs'),
  guestSegment(GS, 'Gs'),
  guestSegment(LDTR, 'Ldtr'),
  guestSegment(TR, 'Tr'),
];

/** Fields that are one 32-bit word of the state block. Control registers, RIP, RSP, RFLAGS and segments are apart. */
export const GUEST_WORDS: readonly (readonly [field: FieldName, offset: number])[] = [
  ['guestGdtrBase', OFF.gdtrBase],
  ['guestGdtrLimit', OFF.gdtrLimit],
  ['guestIdtrBase', OFF.idtrBase],
  ['guestIdtrLimit', OFF.idtrLimit],
  ['guestDr7', OFF.dr + 7 * 8],
  ['guestSysenterCs', OFF.sysenterCs],
  ['guestSysenterEsp', OFF.sysenterEsp],
  ['guestSysenterEip', OFF.sysenterEip],
  ['guestInterruptibility', OFF.interruptibility],
  ['guestActivity', OFF.activity],
];

/** Copies the processor's state into the guest-state area. */
export function saveGuestState(vmcs: Vmcs, state: CpuState): void {
  vmcs.set('guestCr0', state.cr0);
  vmcs.set('guestCr3', state.cr3);
  vmcs.set('guestCr4', state.cr4);
  for (const [field, offset] of GUEST_WORDS) vmcs.set(field, state.word(offset));
  for (const s of GUEST_SEGMENTS) {
    vmcs.set(s.selector, state.selector(s.segment));
    vmcs.set(s.base, state.base(s.segment));
    vmcs.set(s.limit, state.limit(s.segment));
    vmcs.set(s.accessRights, state.attributes(s.segment));
  }
  vmcs.set('guestRsp', state.gpr(RSP));
  vmcs.set('guestRip', state.eip);
  vmcs.set('guestRflags', state.eflags);
}

/** Loads the guest-state area into the processor. General registers stay as they are. */
export function loadGuestState(vmcs: Vmcs, state: CpuState): void {
  state.cr0 = ((vmcs.get('guestCr0') & ~CR0_UNTOUCHED) | (state.cr0 & CR0_UNTOUCHED)) >>> 0;
  state.cr3 = vmcs.get('guestCr3');
  state.cr4 = vmcs.get('guestCr4');
  for (const [field, offset] of GUEST_WORDS) state.setWord(offset, vmcs.get(field));
  for (const s of GUEST_SEGMENTS) {
    state.setSegment(s.segment, vmcs.get(s.selector), vmcs.get(s.accessRights), vmcs.get(s.base), vmcs.get(s.limit));
  }
  // CPL is SS.DPL, also of an unusable SS.
  state.cpl = (state.attributes(SS) >>> AR_DPL_SHIFT) & 3;
  state.setGpr(RSP, vmcs.get('guestRsp'));
  state.eip = vmcs.get('guestRip');
  state.eflags = vmcs.get('guestRflags');
}

const FLAT = 0xffff_ffff;
const CODE = 0xb | AR_S | AR_P | AR_DB | AR_G;
const DATA = 0x3 | AR_S | AR_P | AR_DB | AR_G;
const BUSY_TSS = 0xb | AR_P;

/** Loads the host-state area of a 32-bit host: flat segments, CPL 0, interrupts off, running. */
export function loadHostState(vmcs: Vmcs, state: CpuState): void {
  state.cr0 = ((vmcs.get('hostCr0') & ~CR0_UNTOUCHED) | (state.cr0 & CR0_UNTOUCHED)) >>> 0;
  state.cr3 = vmcs.get('hostCr3');
  state.cr4 = vmcs.get('hostCr4');
  const data = (segment: SegmentIndex, field: FieldName, base: number): void => {
    const selector = vmcs.get(field);
    state.setSegment(segment, selector, selector === 0 ? AR_UNUSABLE : DATA, base, FLAT);
  };
  state.setSegment(CS, vmcs.get('hostCsSelector'), CODE, 0, FLAT);
  data(SS, 'hostSsSelector', 0);
  data(DS, 'hostDsSelector', 0);
  data(ES, 'hostEsSelector', 0);
  data(FS, 'hostFsSelector', vmcs.get('hostFsBase'));
  data(GS, 'hostGsSelector', vmcs.get('hostGsBase'));
  state.setSegment(TR, vmcs.get('hostTrSelector'), BUSY_TSS, vmcs.get('hostTrBase'), 0x67);
  state.setSegment(LDTR, 0, AR_UNUSABLE, 0, 0);
  state.setWord(OFF.gdtrBase, vmcs.get('hostGdtrBase'));
  state.setWord(OFF.gdtrLimit, 0xffff);
  state.setWord(OFF.idtrBase, vmcs.get('hostIdtrBase'));
  state.setWord(OFF.idtrLimit, 0xffff);
  state.setWord(OFF.sysenterCs, vmcs.get('hostSysenterCs'));
  state.setWord(OFF.sysenterEsp, vmcs.get('hostSysenterEsp'));
  state.setWord(OFF.sysenterEip, vmcs.get('hostSysenterEip'));
  state.setWord(OFF.dr + 7 * 8, 0x400);
  state.setWord(OFF.interruptibility, 0);
  state.setWord(OFF.activity, 0);
  state.cpl = 0;
  state.setGpr(RSP, vmcs.get('hostRsp'));
  state.eip = vmcs.get('hostRip');
  state.eflags = FLAG_FIXED;
}
