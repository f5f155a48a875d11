/** VM entry checks: each refusal names the field, its value and the rule. */
import { describe, expect, it } from 'vitest';
import { CR0_NE, CR0_PE, CR0_PG, CR4_PSE } from '../../../x86/paging-bits';
import { EntryControl, ExitControl, Secondary } from '../../../x86/vmx/controls';
import { type FieldName } from '../../../x86/vmx/fields';
import { VmxError } from '../../../x86/vmx/instruction-errors';
import { packInterruption } from '../../../x86/vmx/interruption';
import { entryFailureText } from './entry-checks';
import { VmxMode } from './vmx';
import { ready, FEATURES } from './vmx-bench.test-support';

describe('VM entry checks name field, value and rule', () => {
  const controls: [string, Partial<Record<FieldName, number>>, RegExp][] = [
    ['reserved pin bits', { pinBasedControls: 1 }, /pinBasedControls is 0x1; it must have the reserved bits 0x16 set/],
    ['unknown primary bits', { primaryControls: 0x04006172 | 1 }, /primaryControls .* must not set the bits 0x1,/],
    [
      'VPID 0',
      { primaryControls: 0x84006172, secondaryControls: Secondary.enableVpid },
      /vpid is 0x0; it must not be 0/,
    ],
    [
      'unrestricted without EPT',
      { primaryControls: 0x84006172, secondaryControls: Secondary.unrestrictedGuest },
      /secondaryControls .* "Enable EPT" along with/,
    ],
    [
      'EPT walk length',
      { primaryControls: 0x84006172, secondaryControls: Secondary.enableEpt, eptPointer: 0x3006 },
      /eptPointer is 0x3006; it must have 3 \(walk length less one\) in bits 5:3/,
    ],
    [
      'I/O bitmap alignment',
      { primaryControls: 0x06006172, ioBitmapB: 0x801 },
      /ioBitmapB is 0x801; it must be 4 KiB aligned/,
    ],
    [
      '64-bit host',
      { exitControls: 0x36dfb | ExitControl.hostAddressSpaceSize | (1 << 12) },
      /exitControls .* must not set/,
    ],
    [
      'error code missing',
      { entryInterruption: packInterruption(14, 3, false) },
      /must deliver an error code for this/,
    ],
    [
      'error code extra',
      { entryInterruption: packInterruption(6, 3, true) },
      /must not deliver an error code for this/,
    ],
    [
      'software length',
      { entryInterruption: packInterruption(0x80, 4, false) },
      /entryInstructionLength is 0x0; it must be 1 to/,
    ],
    [
      'IA-32e guest',
      { entryControls: 0x11fb | EntryControl.ia32eModeGuest },
      /entryControls .* must not set the bits 0x200/,
    ],
  ];
  it.each(controls)('controls: %s', (_, fields, sentence) => {
    const b = ready();
    b.set(fields);
    const result = b.vmx.vmlaunch();
    if (result.kind !== 'failed' || result.failure === undefined) throw new Error('the entry did not fail');
    expect(result.error).toBe(VmxError.entryInvalidControls);
    expect(entryFailureText(result.failure)).toMatch(sentence);
    expect(result.failure.chapter).toBe('Checks on VMX Controls');
    expect(b.vmx.mode).toBe(VmxMode.root);
  });

  it('a secondary control of a feature that the processor lacks is named', () => {
    const b = ready({ ...FEATURES, ept: false });
    b.set({ primaryControls: 0x84006172, secondaryControls: Secondary.enableEpt });
    const result = b.vmx.vmlaunch();
    expect(result.kind === 'failed' && result.failure?.rule).toMatch(/must not set "Enable EPT"/);
  });

  const host: [Partial<Record<FieldName, number>>, RegExp][] = [
    [{ hostCr0: CR0_PE }, /hostCr0 is 0x1; it must have PG, NE and PE set/],
    [{ hostCr4: 0 }, /hostCr4 is 0x0; it must have VMXE/],
    [{ hostCsSelector: 0 }, /hostCsSelector is 0x0; it must not be a null selector/],
    [{ hostDsSelector: 0x13 }, /hostDsSelector is 0x13; it must have RPL 0 and TI 0/],
  ];
  it.each(host)('host state %j', (fields, sentence) => {
    const b = ready();
    b.set(fields);
    const result = b.vmx.vmlaunch();
    if (result.kind !== 'failed' || result.failure === undefined) throw new Error('the entry did not fail');
    expect(result.error).toBe(VmxError.entryInvalidHostState);
    expect(entryFailureText(result.failure)).toMatch(sentence);
  });

  const guest: [Partial<Record<FieldName, number>>, RegExp][] = [
    [{ guestCr0: CR0_PE | CR0_NE }, /guestCr0 .* PG, NE and PE/],
    [{ guestCr4: CR4_PSE }, /guestCr4 is 0x10; it must have VMXE/],
    [{ guestTrSelector: 4 }, /guestTrSelector is 0x4; it must have TI 0/],
    [{ guestSsSelector: 0x13 }, /guestSsSelector is 0x13; it must have the RPL of CS/],
    [{ guestCsAccessRights: 0x10000 }, /guestCsAccessRights .* must not be marked unusable/],
    [{ guestCsAccessRights: 0xc092 }, /guestCsAccessRights .* the type of an accessed code segment/],
    [{ guestCsAccessRights: 0xc0fb }, /guestCsAccessRights .* must have the DPL of SS/],
    [{ guestSsAccessRights: 0xc09b }, /guestSsAccessRights .* accessed, writable data segment/],
    [{ guestDsAccessRights: 0xc092 }, /guestDsAccessRights .* accessed bit set/],
    [{ guestDsAccessRights: 0xc013 }, /guestDsAccessRights .* must have P set/],
    [{ guestDsLimit: 0x12345 }, /guestDsAccessRights .* must have G clear/],
    [{ guestTrAccessRights: 0x89 }, /guestTrAccessRights is 0x89; it must have the type of a busy TSS/],
    [{ guestLdtrAccessRights: 0x8b }, /guestLdtrAccessRights .* type 2/],
    [{ guestGdtrLimit: 0x10000 }, /guestGdtrLimit .* bits 31:16/],
    [{ guestRflags: 0x200 }, /guestRflags .* bit 1 set/],
    [{ guestRflags: 2, entryInterruption: packInterruption(32, 0, false) }, /guestRflags .* IF set while/],
    [{ guestActivity: 2 }, /guestActivity is 0x2/],
    [{ guestInterruptibility: 3 }, /guestInterruptibility .* at once/],
    [
      { guestInterruptibility: 1, entryInterruption: packInterruption(32, 0, false) },
      /no blocking by STI or MOV SS while/,
    ],
    [{ vmcsLinkPointer: 0 }, /vmcsLinkPointer .* all ones/],
  ];
  it.each(guest)('guest state %j', (fields, sentence) => {
    const b = ready();
    b.set(fields);
    const result = b.vmx.vmlaunch();
    if (result.kind !== 'exited' || result.failure === undefined) throw new Error('the entry did not fail');
    expect(entryFailureText(result.failure)).toMatch(sentence);
    expect(b.get('exitReason')).toBe(0x80000021);
    expect(b.state.eip).toBe(0xffc00000);
    expect(b.vmx.mode).toBe(VmxMode.root);
  });

  it('a limit of 1 MiB - 1 goes with either granularity', () => {
    const b = ready();
    b.set({ guestDsLimit: 0xfffff });
    expect(b.vmx.vmlaunch()).toEqual({ kind: 'entered' });
  });

  it('unrestricted guest lifts the paging rules', () => {
    const b = ready();
    b.set({
      primaryControls: 0x84006172,
      secondaryControls: Secondary.unrestrictedGuest | Secondary.enableEpt,
      eptPointer: 0x301e,
      guestCr0: CR0_PE | CR0_NE,
    });
    expect(b.vmx.vmlaunch()).toEqual({ kind: 'entered' });
    expect(b.state.cr0 & CR0_PG).toBe(0);
  });
});
