/** VMX instructions, entries and exits over host memory, without a processor around them. */
import { describe, expect, it } from 'vitest';
import { GuestFault } from '../../../x86/exceptions';
import { CR0_PE, CR4_VMXE } from '../../../x86/paging-bits';
import { ES, SS } from '../../../x86/registers';
import { Secondary } from '../../../x86/vmx/controls';
import { ExitReason } from '../../../x86/vmx/exit-reasons';
import { FIELDS, Field, type FieldName } from '../../../x86/vmx/fields';
import { VmxError } from '../../../x86/vmx/instruction-errors';
import { describeInterruption, packInterruption } from '../../../x86/vmx/interruption';
import { capabilityMsrs } from './capabilities';
import { EventType, VmExit } from './interface';
import { VmxMode } from './vmx';
import { bench, ready, thrown, VMXON, VMCS, FEATURES, HOST_CR0 } from './vmx-bench.test-support';

describe('VMCS field table', () => {
  it('derives width and area from the encodings', () => {
    const find = (name: FieldName) => FIELDS.find((f) => f.name === name);
    expect(find('vpid')).toMatchObject({ width: '16', area: 'control' });
    expect(find('eptPointer')).toMatchObject({ width: '64', area: 'control' });
    expect(find('exitReason')).toMatchObject({ width: '32', area: 'exit', readOnly: true });
    expect(find('guestTrSelector')).toMatchObject({ width: '16', area: 'guest' });
    expect(find('hostRip')).toMatchObject({ width: 'natural', area: 'host' });
    expect(Math.max(...FIELDS.map((f) => f.offset))).toBeLessThan(4096 - 8);
  });
});

describe('VMX instructions', () => {
  it('VMXON needs CR4.VMXE, the fixed bits and a region with the revision identifier', () => {
    const b = bench();
    b.state.cr4 = 0;
    expect(() => b.vmx.vmxon(VMXON)).toThrow(GuestFault);
    b.state.cr4 = CR4_VMXE;
    b.state.cr0 = CR0_PE;
    expect(() => b.vmx.vmxon(VMXON)).toThrow('#GP');
    b.state.cr0 = HOST_CR0;
    expect(b.vmx.vmxon(0x8000)).toEqual({ ok: false });
    expect(b.vmx.vmxon(VMXON + 4)).toEqual({ ok: false });
    expect(b.vmx.vmxon(VMXON)).toEqual({ ok: true });
    expect(b.vmx.mode).toBe(VmxMode.root);
    expect(() => bench({ ...FEATURES, vmx: false }).vmx.vmxon(VMXON)).toThrow('#UD');
  });

  it('reports VMfailInvalid without a current VMCS and error numbers with one', () => {
    const b = bench();
    b.vmx.vmxon(VMXON);
    expect(b.vmx.vmptrst()).toBe(0xffffffffffffffffn);
    expect(b.vmx.vmwrite(Field.guestRip, 1)).toEqual({ ok: false });
    expect(b.vmx.vmlaunch()).toEqual({ kind: 'failed' });
    b.vmx.vmptrld(VMCS);
    expect(b.vmx.vmptrst()).toBe(BigInt(VMCS));
    expect(b.vmx.vmptrld(VMXON)).toEqual({ ok: false, error: VmxError.vmptrldVmxonPointer });
    expect(b.vmx.vmptrld(0x3000)).toEqual({ ok: false, error: VmxError.vmptrldWrongRevision });
    expect(b.vmx.vmptrld(0x40000)).toEqual({ ok: false, error: VmxError.vmptrldInvalidAddress });
    expect(b.vmx.vmclear(VMXON)).toEqual({ ok: false, error: VmxError.vmclearVmxonPointer });
    expect(b.vmx.vmread(0x6a00)).toEqual({ ok: false, error: VmxError.unsupportedField });
    expect(b.vmx.vmwrite(Field.exitReason, 1)).toEqual({ ok: false, error: VmxError.readOnlyField });
    expect(b.get('instructionError')).toBe(VmxError.readOnlyField);
  });

  it('keeps both halves of 64-bit fields and 16 bits of 16-bit ones, in memory', () => {
    const b = ready();
    b.set({ eptPointer: 0x501e, vpid: 0x12345 });
    b.vmx.vmwrite(Field.eptPointer + 1, 9);
    expect(b.vmx.vmread(Field.eptPointer + 1)).toEqual({ ok: true, value: 9 });
    expect(b.get('vpid')).toBe(0x2345);
    const info = FIELDS.find((f) => f.name === 'eptPointer');
    expect(b.memory.read32(VMCS + (info?.offset ?? 0))).toBe(0x501e);
    expect(b.vmx.vmread(Field.guestRip + 1)).toMatchObject({ ok: false, error: VmxError.unsupportedField });
  });

  it('VMLAUNCH wants a clear VMCS, VMRESUME a launched one', () => {
    const b = ready();
    expect(b.vmx.vmresume()).toMatchObject({ kind: 'failed', error: VmxError.vmresumeNotLaunched });
    expect(b.vmx.vmlaunch()).toEqual({ kind: 'entered' });
    b.vmx.exit(new VmExit(ExitReason.cpuid), 2);
    expect(b.vmx.vmlaunch()).toMatchObject({ kind: 'failed', error: VmxError.vmlaunchNotClear });
    expect(b.vmx.vmresume()).toEqual({ kind: 'entered' });
  });
});

describe('VM entry and exit', () => {
  it('loads the guest, and an exit stores it and loads the host', () => {
    const b = ready();
    b.state.setGpr(0, 77);
    b.vmx.vmlaunch();
    expect(b.vmx.inNonRoot).toBe(true);
    expect([b.state.eip, b.state.gpr(4), b.state.cr3, b.state.eflags]).toEqual([0x100000, 0x9000, 0x5000, 0x202]);
    b.state.eip = 0x100010;
    b.state.setGpr(4, 0x8ff0);
    b.state.eflags = 0x246;
    b.vmx.exit(
      thrown(() => b.vmx.intercept('hlt')),
      1,
    );
    expect(b.get('exitReason')).toBe(ExitReason.hlt);
    expect(b.get('exitInstructionLength')).toBe(1);
    expect([b.get('guestRip'), b.get('guestRsp'), b.get('guestRflags')]).toEqual([0x100010, 0x8ff0, 0x246]);
    expect([b.state.eip, b.state.gpr(4), b.state.cr3, b.state.eflags]).toEqual([0xffc00000, 0xffc01000, 0x7000, 2]);
    expect(b.state.gpr(0)).toBe(77);
    expect(b.state.limit(SS)).toBe(0xffffffff);
    expect(b.state.attributes(ES) & 0x10000).toBe(0x10000);
  });

  it('without VPID entry and exit flush tag 0; with VPID neither flushes and the tag is the VPID', () => {
    const plain = ready();
    plain.vmx.vmlaunch();
    plain.vmx.exit(new VmExit(ExitReason.cpuid), 2);
    expect(plain.flushes).toEqual([0, 0]);
    const tagged = ready();
    tagged.set({ primaryControls: 0x84006172, secondaryControls: Secondary.enableVpid, vpid: 1 });
    tagged.vmx.vmlaunch();
    expect(tagged.vmx.tag).toBe(1);
    tagged.vmx.exit(new VmExit(ExitReason.cpuid), 2);
    expect(tagged.vmx.tag).toBe(0);
    expect(tagged.flushes).toEqual([]);
  });

  it('injects, and clears the valid bit at the next exit', () => {
    const b = ready();
    b.set({ entryInterruption: packInterruption(13, 3, true), entryErrorCode: 0x18 });
    expect(b.vmx.vmlaunch()).toEqual({ kind: 'entered' });
    expect(b.delivered).toEqual([
      { vector: 13, type: EventType.hardwareException, errorCode: 0x18, length: undefined },
    ]);
    b.vmx.exit(new VmExit(ExitReason.cpuid), 2);
    expect(b.get('entryInterruption')).toBe(packInterruption(13, 3, true) & 0x7fffffff);
  });

  it('an exit while an injected event is delivered reports it as IDT-vectoring information', () => {
    const b = ready();
    b.set({ exceptionBitmap: 1 << 14, entryInterruption: packInterruption(0x80, 4, false), entryInstructionLength: 2 });
    b.onDeliver = (event) => {
      b.vmx.beginDelivery(event);
      b.vmx.exception({ vector: 14, type: EventType.hardwareException, errorCode: 2 }, 0x8ffc);
    };
    expect(b.vmx.vmlaunch()).toEqual({ kind: 'exited' });
    expect(describeInterruption(b.get('exitInterruption'))).toBe('hardware exception 14 (#PF) with error code');
    expect(b.get('exitQualification')).toBe(0x8ffc);
    expect(b.get('exitErrorCode')).toBe(2);
    expect(describeInterruption(b.get('idtVectoring'))).toBe('software interrupt 128');
    expect(b.get('exitInstructionLength')).toBe(2);
    expect(b.state.eip).toBe(0xffc00000);
  });

  it('an exit behind a finished delivery has no IDT-vectoring information', () => {
    const b = ready();
    b.vmx.vmlaunch();
    b.vmx.beginDelivery({ vector: 32, type: EventType.externalInterrupt });
    b.vmx.endDelivery();
    b.vmx.exit(new VmExit(ExitReason.cpuid), 2);
    expect(b.get('idtVectoring')).toBe(0);
  });

  it('reload() finds the controls of a guest in the VMCS again', () => {
    const b = ready();
    b.vmx.vmlaunch();
    b.vmx.reload();
    expect(thrown(() => b.vmx.intercept('hlt')).reason).toBe(ExitReason.hlt);
  });
});

describe('capability MSRs', () => {
  it('report only the features of the profile', () => {
    expect(capabilityMsrs({ ...FEATURES, ept: false }).get(0x48b)).toBe(
      BigInt(
        Secondary.enableVpid | Secondary.unrestrictedGuest | Secondary.wbinvdExiting | Secondary.descriptorTableExiting,
      ) << 32n,
    );
    expect(capabilityMsrs(FEATURES).get(0x480)).toBe(0x00d9_1000_0052_1de5n);
  });
});
