/** VMX instructions, entry checks, entries and exits over host memory, without a processor around them. */
import { describe, expect, it } from 'vitest';
import { HostMemory } from '../../../engine/memory';
import { CpuState, OFF } from '../../../engine/state';
import { GuestFault } from '../../../x86/exceptions';
import { CR0_NE, CR0_PE, CR0_PG, CR4_PSE, CR4_VMXE } from '../../../x86/paging-bits';
import { ES, SS } from '../../../x86/registers';
import { EntryControl, ExitControl, Pin, Primary, Secondary } from '../../../x86/vmx/controls';
import { eptLeafEntry, eptPointer, eptTableEntry } from '../../../x86/vmx/ept';
import { ExitReason } from '../../../x86/vmx/exit-reasons';
import { FIELDS, Field, type FieldName } from '../../../x86/vmx/fields';
import { VmxError } from '../../../x86/vmx/instruction-errors';
import { describeInterruption, packInterruption } from '../../../x86/vmx/interruption';
import { describeQualification } from '../../../x86/vmx/qualification';
import { VMCS_REVISION, adjustControls, capabilityMsrs } from './capabilities';
import { entryFailureText } from './entry-checks';
import { EventType, type VectoredEvent, VmExit } from './interface';
import { Vmx, VmxMode } from './vmx';

const VMXON = 0x1000;
const VMCS = 0x2000;
const FEATURES = { vmx: true, ept: true, vpid: true, unrestrictedGuest: true };
const HOST_CR0 = (CR0_PG | CR0_NE | CR0_PE | 0x10) >>> 0;

interface Bench {
  readonly vmx: Vmx;
  readonly state: CpuState;
  readonly memory: HostMemory;
  readonly flushes: (number | undefined)[];
  readonly delivered: VectoredEvent[];
  readonly eptReads: number[];
  set(fields: Partial<Record<FieldName, number>>): void;
  get(field: FieldName): number;
  onDeliver?: (event: VectoredEvent) => void;
}

function bench(features = FEATURES): Bench {
  const memory = new HostMemory(0x40000);
  const state = CpuState.detached();
  state.cr0 = HOST_CR0;
  state.cr4 = CR4_VMXE;
  const flushes: (number | undefined)[] = [];
  const delivered: VectoredEvent[] = [];
  const eptReads: number[] = [];
  const vmx: Vmx = new Vmx({
    state,
    memory,
    features,
    flushTlb: (tag) => flushes.push(tag),
    flushTlbPage: () => {},
    stateReplaced: () => {},
    deliver: (event) => {
      delivered.push(event);
      b.onDeliver?.(event);
    },
    eptReference: (level) => eptReads.push(level),
  });
  const b: Bench = {
    vmx,
    state,
    memory,
    flushes,
    delivered,
    eptReads,
    set(fields) {
      for (const [name, value] of Object.entries(fields)) {
        expect(vmx.vmwrite(Field[name as FieldName], value)).toEqual({ ok: true });
      }
    },
    get(field) {
      const read = vmx.vmread(Field[field]);
      if (!read.ok) throw new Error(`VMREAD ${field} failed`);
      return read.value;
    },
  };
  memory.write32(VMXON, VMCS_REVISION);
  memory.write32(VMCS, VMCS_REVISION);
  return b;
}

const CODE = 0xc09b;
const DATA = 0xc093;

/** In root operation with a VMCS that passes every check: a flat ring-0 guest with paging on. */
function ready(features = FEATURES): Bench {
  const b = bench(features);
  expect(b.vmx.vmxon(VMXON)).toEqual({ ok: true });
  expect(b.vmx.vmclear(VMCS)).toEqual({ ok: true });
  expect(b.vmx.vmptrld(VMCS)).toEqual({ ok: true });
  b.set({
    pinBasedControls: adjustControls('pinBasedControls', Pin.externalInterruptExiting),
    primaryControls: adjustControls('primaryControls', Primary.hltExiting),
    exitControls: adjustControls('exitControls', ExitControl.acknowledgeInterrupt),
    entryControls: adjustControls('entryControls', 0),
    vmcsLinkPointer: 0xffffffff,
    hostCr0: HOST_CR0,
    hostCr3: 0x7000,
    hostCr4: CR4_VMXE,
    hostCsSelector: 0x08,
    hostSsSelector: 0x10,
    hostDsSelector: 0x10,
    hostTrSelector: 0x18,
    hostRip: 0xffc00000,
    hostRsp: 0xffc01000,
    guestCr0: HOST_CR0,
    guestCr3: 0x5000,
    guestCr4: CR4_VMXE,
    guestRip: 0x100000,
    guestRsp: 0x9000,
    guestRflags: 0x202,
    guestCsSelector: 8,
    guestCsAccessRights: CODE,
    guestCsLimit: 0xffffffff,
    guestSsSelector: 0x10,
    guestSsAccessRights: DATA,
    guestSsLimit: 0xffffffff,
    guestDsAccessRights: DATA,
    guestDsLimit: 0xffffffff,
    guestEsAccessRights: 0x10000,
    guestFsAccessRights: 0x10000,
    guestGsAccessRights: 0x10000,
    guestLdtrAccessRights: 0x10000,
    guestTrAccessRights: 0x8b,
    guestTrLimit: 0x67,
  });
  expect(b.vmx.vmwrite(Field.vmcsLinkPointer + 1, 0xffffffff)).toEqual({ ok: true });
  return b;
}

function thrown(act: () => void): VmExit {
  try {
    act();
  } catch (error) {
    if (error instanceof VmExit) return error;
    throw error;
  }
  throw new Error('no VM exit');
}

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

describe('non-root operation', () => {
  const running = (fields: Partial<Record<FieldName, number>>): Bench => {
    const b = ready();
    b.set(fields);
    expect(b.vmx.vmlaunch()).toEqual({ kind: 'entered' });
    return b;
  };

  it('asks nothing of a processor outside it', () => {
    const b = bench();
    b.vmx.intercept('cpuid');
    b.vmx.port({ port: 0x80, size: 1, direction: 'out' });
    b.vmx.externalInterrupt(() => 32);
    expect(b.vmx.writeControl(0, 5, 0)).toBe(5);
    expect(b.vmx.readControl(4)).toBe(CR4_VMXE);
  });

  it('masks and shadows CR0: host-owned bits read the shadow, and only a change of them exits', () => {
    const b = running({ cr0Mask: CR0_NE, cr0ReadShadow: 0 });
    expect(b.vmx.readControl(0)).toBe((HOST_CR0 & ~CR0_NE) >>> 0);
    const value = (HOST_CR0 & ~CR0_NE) | 8;
    expect(b.vmx.writeControl(0, value >>> 0, 3)).toBe((HOST_CR0 | 8) >>> 0);
    const exit = thrown(() => b.vmx.writeControl(0, HOST_CR0, 3));
    expect(describeQualification(exit.reason, exit.qualification)).toBe('mov cr0, ebx');
  });

  it('refuses to clear a fixed CR0 bit that the guest owns', () => {
    const b = running({});
    expect(() => b.vmx.writeControl(0, CR0_PE | CR0_NE, 0)).toThrow('#GP');
  });

  it('CR3-load and CR3-store exiting', () => {
    const b = running({ primaryControls: 0x04006172 | Primary.cr3LoadExiting | Primary.cr3StoreExiting });
    expect(describeQualification(28, thrown(() => b.vmx.writeControl(3, 0x1000, 0)).qualification)).toBe(
      'mov cr3, eax',
    );
    expect(describeQualification(28, thrown(() => b.vmx.readControl(3, 7)).qualification)).toBe('mov edi, cr3');
    expect(running({}).vmx.writeControl(3, 0x1000, 0)).toBe(0x1000);
  });

  it('CLTS and LMSW weigh only host-owned bits', () => {
    const owned = running({ cr0Mask: 8, cr0ReadShadow: 8 });
    expect(describeQualification(28, thrown(() => owned.vmx.clts()).qualification)).toBe('clts');
    expect(running({ cr0Mask: 8, cr0ReadShadow: 0 }).vmx.clts()).toBe(false);
    expect(running({}).vmx.clts()).toBe(true);
    expect(describeQualification(28, thrown(() => owned.vmx.lmsw(1)).qualification)).toBe('lmsw 0x1');
    expect(running({}).vmx.lmsw(0x0a) & 0xf).toBe(0xb);
  });

  it('I/O: unconditional, by bitmap, or not at all', () => {
    const io = { port: 0x3f8, size: 1, direction: 'out' } as const;
    running({}).vmx.port(io);
    const all = running({ primaryControls: 0x04006172 | Primary.unconditionalIoExiting });
    const exit = thrown(() => all.vmx.port({ ...io, string: true, rep: true, linear: 0x1234 }));
    expect(describeQualification(exit.reason, exit.qualification)).toBe('rep outs port 0x3f8, 1 byte');
    expect(exit.detail.guestLinear).toBe(0x1234);
    const some = running({ primaryControls: 0x04006172 | Primary.useIoBitmaps, ioBitmapA: 0x8000, ioBitmapB: 0x9000 });
    some.memory.write8(0x8000 + (0x3f8 >> 3), 1 << (0x3f8 & 7));
    expect(thrown(() => some.vmx.port({ ...io, port: 0x3f6, size: 4 })).reason).toBe(ExitReason.io);
    some.vmx.port({ ...io, port: 0x3f9 });
    expect(thrown(() => some.vmx.port({ ...io, port: 0xffff, size: 2 })).reason).toBe(ExitReason.io);
  });

  it('exceptions by bitmap, page faults also by error-code mask and match', () => {
    const b = running({ exceptionBitmap: 1 << 14, pageFaultErrorMask: 1, pageFaultErrorMatch: 1 });
    const fault = (errorCode: number) => ({ vector: 14, type: EventType.hardwareException, errorCode });
    b.vmx.exception(fault(2), 0x5000);
    expect(thrown(() => b.vmx.exception(fault(3), 0x5000)).qualification).toBe(0x5000);
    b.vmx.exception({ vector: 13, type: EventType.hardwareException, errorCode: 0 });
    const inverted = running({ pageFaultErrorMask: 1, pageFaultErrorMatch: 1 });
    expect(thrown(() => inverted.vmx.exception(fault(2))).reason).toBe(ExitReason.exceptionOrNmi);
  });

  it('external interrupts exit acknowledged, whatever IF is', () => {
    const b = running({ guestRflags: 2 });
    const exit = thrown(() => b.vmx.externalInterrupt(() => 0xf0));
    expect(describeInterruption(exit.detail.interruption ?? 0)).toBe('external interrupt 240');
  });

  it('the interrupt window opens with IF and without blocking', () => {
    const b = running({ primaryControls: 0x04006172 | Primary.interruptWindowExiting, guestRflags: 2 });
    b.vmx.interruptWindow();
    b.state.eflags = 0x202;
    b.state.setWord(OFF.interruptibility, 1);
    b.vmx.interruptWindow();
    b.state.setWord(OFF.interruptibility, 0);
    expect(thrown(() => b.vmx.interruptWindow()).reason).toBe(ExitReason.interruptWindow);
  });

  it('EPT: walks four levels, tells violations from misconfigurations, and maps 2 MiB pages', () => {
    const b = running({
      primaryControls: 0x84006172,
      secondaryControls: Secondary.enableEpt,
      eptPointer: Number(eptPointer(0x10000)),
    });
    const stage = b.vmx.secondStage;
    if (stage === undefined) throw new Error('no EPT in force');
    const absent = thrown(() => stage.translate(0x5000, 'write', 0x8000, false));
    expect(absent.reason).toBe(ExitReason.eptViolation);
    expect(absent.detail).toEqual({ guestPhysical: 0x5000, guestLinear: 0x8000 });
    expect(describeQualification(48, absent.qualification)).toBe('write, linear address valid, final access');
    b.memory.write64(0x10000, eptTableEntry(0x11000));
    b.memory.write64(0x11000, eptTableEntry(0x12000));
    b.memory.write64(0x12000, eptTableEntry(0x13000));
    b.memory.write64(0x13000 + 5 * 8, eptLeafEntry(0x20000, 1));
    b.eptReads.length = 0;
    expect(stage.translate(0x5123, 'read', 0x8123, false)).toEqual({
      hpa: 0x20123,
      readable: true,
      writable: false,
      executable: false,
      pageSize: 4096,
    });
    expect(b.eptReads).toEqual([4, 3, 2, 1]);
    const denied = thrown(() => stage.translate(0x5000, 'write', 0x8000, true));
    expect(describeQualification(48, denied.qualification)).toBe('write, readable, linear address valid');
    b.memory.write64(0x13000 + 5 * 8, eptLeafEntry(0x20000, 2));
    expect(thrown(() => stage.translate(0x5000, 'read', undefined, true)).reason).toBe(ExitReason.eptMisconfiguration);
    b.memory.write64(0x12000 + 8, eptLeafEntry(0x20_0000, 7) | (1n << 7n));
    expect(stage.translate(0x20_1234, 'fetch', 1, false)).toMatchObject({ hpa: 0x20_1234, pageSize: 0x20_0000 });
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
