/** VM entry, guest code, VM exit and back on a real processor: intercepts, injection, IDT-vectoring, EPT. */
import { describe, expect, it } from 'vitest';
import { OFF } from '../../../engine/state';
import { CR0_ET, CR0_NE, CR0_PE, CR0_PG, CR4_PSE, CR4_VMXE } from '../../../x86/paging-bits';
import { RAX, RSP } from '../../../x86/registers';
import { ExitControl, Pin, Primary, Secondary } from '../../../x86/vmx/controls';
import { EPT_READ, EPT_RWX, eptLeafEntry, eptPointer, eptTableEntry } from '../../../x86/vmx/ept';
import { ExitReason } from '../../../x86/vmx/exit-reasons';
import { Field, type FieldName } from '../../../x86/vmx/fields';
import { describeInterruption, packInterruption } from '../../../x86/vmx/interruption';
import { describeQualification } from '../../../x86/vmx/qualification';
import type { FeatureName } from '../../../x86/profiles';
import { kernelSource, type TinyMachine, tinyMachine } from '../tiny-machine.test-support';
import { VMCS_REVISION, adjustControls } from './capabilities';
import { GUEST_SEGMENTS } from './state-areas';
import { type EntryResult, type Vmx, VmxMode } from './vmx';

const HOST_DIRECTORY = 0xe0000;
const HOST_ENTRY = 0xe1000;
const VMXON = 0xe2000;
const VMCS = 0xe3000;
/** Guest page directory and table: 4 KiB identity pages for the first MiB. */
const GUEST_DIRECTORY = 0xd0000;
const GUEST_TABLE = 0xd1000;
const EPT = 0xc0000;
const HOST_CR0 = (CR0_PG | CR0_NE | CR0_ET | CR0_PE) >>> 0;

interface Bench extends TinyMachine {
  readonly vmx: Vmx;
  set(fields: Partial<Record<FieldName, number>>): void;
  get(field: FieldName): number;
  enter(): EntryResult;
  /** Runs the guest to its next exit and returns the exit reason. */
  runToExit(): number;
}

interface Setup {
  readonly ept?: boolean;
  readonly vpid?: boolean;
  readonly features?: Partial<Record<FeatureName, boolean>>;
  readonly controls?: number;
}

/** The processor in root operation; the guest is the source's code in ring 0, with identity pages. */
function bench(source: string, { ept = false, vpid = false, features, controls = 0 }: Setup = {}): Bench {
  const machine = tinyMachine(source, { features });
  const { memory, processor } = machine;
  const { state, vmx } = processor;
  if (vmx === undefined) throw new Error('no VMX');
  processor.hypervisorAttached = true;
  memory.write32(HOST_DIRECTORY, 0x83);
  memory.write32(GUEST_DIRECTORY, GUEST_TABLE | 7);
  for (let page = 0; page < 256; page++) memory.write32(GUEST_TABLE + page * 4, (page << 12) | 7);
  memory.write32(VMXON, VMCS_REVISION);
  memory.write32(VMCS, VMCS_REVISION);
  const set: Bench['set'] = (fields) => {
    for (const [name, value] of Object.entries(fields)) {
      expect(vmx.vmwrite(Field[name as FieldName], value)).toEqual({ ok: true });
    }
  };
  const get: Bench['get'] = (field) => {
    const read = vmx.vmread(Field[field]);
    if (!read.ok) throw new Error(`VMREAD ${field} failed`);
    return read.value;
  };
  const guest = { eip: state.eip, esp: state.gpr(RSP) };
  const segments: Partial<Record<FieldName, number>> = {};
  for (const s of GUEST_SEGMENTS) {
    segments[s.selector] = state.selector(s.segment);
    segments[s.accessRights] = state.attributes(s.segment);
    segments[s.base] = state.base(s.segment);
    segments[s.limit] = state.limit(s.segment);
  }
  state.cr0 = HOST_CR0;
  state.cr3 = HOST_DIRECTORY;
  state.cr4 = CR4_VMXE | CR4_PSE;
  expect(vmx.vmxon(VMXON)).toEqual({ ok: true });
  expect(vmx.vmclear(VMCS)).toEqual({ ok: true });
  expect(vmx.vmptrld(VMCS)).toEqual({ ok: true });
  const secondary = (ept ? Secondary.enableEpt | Secondary.unrestrictedGuest : 0) | (vpid ? Secondary.enableVpid : 0);
  set({
    ...segments,
    pinBasedControls: adjustControls('pinBasedControls', Pin.externalInterruptExiting),
    primaryControls: adjustControls(
      'primaryControls',
      Primary.hltExiting | controls | (secondary === 0 ? 0 : Primary.activateSecondary),
    ),
    secondaryControls: secondary,
    exitControls: adjustControls('exitControls', ExitControl.acknowledgeInterrupt),
    entryControls: adjustControls('entryControls', 0),
    vpid: vpid ? 1 : 0,
    eptPointer: ept ? Number(eptPointer(EPT)) : 0,
    cr0Mask: CR0_NE,
    cr4Mask: CR4_VMXE,
    hostCr0: HOST_CR0,
    hostCr3: HOST_DIRECTORY,
    hostCr4: CR4_VMXE | CR4_PSE,
    hostCsSelector: 0x08,
    hostSsSelector: 0x10,
    hostTrSelector: 0x18,
    hostRip: HOST_ENTRY,
    hostRsp: HOST_ENTRY,
    guestCr0: HOST_CR0,
    cr0ReadShadow: HOST_CR0 & ~CR0_NE,
    guestCr3: GUEST_DIRECTORY,
    guestCr4: CR4_VMXE,
    guestRip: guest.eip,
    guestRsp: guest.esp,
    guestRflags: 2,
    guestDr7: 0x400,
    guestTrAccessRights: 0x8b,
    guestTrLimit: 0x67,
    vmcsLinkPointer: 0xffffffff,
  });
  vmx.vmwrite(Field.vmcsLinkPointer + 1, 0xffffffff);
  let launched = false;
  const enter = (): EntryResult => {
    const result = launched ? vmx.vmresume() : vmx.vmlaunch();
    launched = true;
    return result;
  };
  const runToExit = (): number => {
    expect(machine.run().reason).toBe('hypervisor');
    expect(vmx.mode).toBe(VmxMode.root);
    expect(state.eip).toBe(HOST_ENTRY);
    return get('exitReason');
  };
  return { ...machine, vmx, set, get, enter, runToExit };
}

/** EPT tables that map every page of the first 2 MiB to itself, except those given. */
function fillEpt({ memory }: Bench, rights: ReadonlyMap<number, number> = new Map()): void {
  memory.write64(EPT, eptTableEntry(EPT + 0x1000));
  memory.write64(EPT + 0x1000, eptTableEntry(EPT + 0x2000));
  memory.write64(EPT + 0x2000, eptTableEntry(EPT + 0x3000));
  for (let page = 0; page < 512; page++) {
    const allowed = rights.get(page) ?? EPT_RWX;
    memory.write64(EPT + 0x3000 + page * 8, allowed === 0 ? 0n : eptLeafEntry(page << 12, allowed));
  }
}

describe('round trips', () => {
  it('guest code runs between VM entry and HLT exit, and goes on behind HLT', () => {
    const b = bench('org 0x1000\nmov eax, 7\nhlt\nadd eax, 3\nhlt');
    expect(b.enter()).toEqual({ kind: 'entered' });
    expect(b.runToExit()).toBe(ExitReason.hlt);
    expect(b.get('guestRip')).toBe(0x1005);
    expect(b.processor.state.gpr(RAX)).toBe(7);
    expect(b.clock.instructions).toBe(1);
    b.set({ guestRip: b.get('guestRip') + b.get('exitInstructionLength') });
    b.enter();
    expect(b.runToExit()).toBe(ExitReason.hlt);
    expect(b.processor.state.gpr(RAX)).toBe(10);
    expect(b.clock.instructions).toBe(2);
  });

  const exits: [string, number, number, number, string][] = [
    ['cpuid', 0, ExitReason.cpuid, 2, '0x0'],
    ['out 0x80, al', Primary.unconditionalIoExiting, ExitReason.io, 2, 'out port 0x80, 1 byte'],
    ['mov dx, 0x3f8\nin eax, dx', Primary.unconditionalIoExiting, ExitReason.io, 1, 'in port 0x3f8, 4 bytes'],
    ['mov cr3, eax', Primary.cr3LoadExiting, ExitReason.controlRegister, 3, 'mov cr3, eax'],
    ['mov ecx, cr3', Primary.cr3StoreExiting, ExitReason.controlRegister, 3, 'mov ecx, cr3'],
    ['mov ebx, dr7', Primary.movDrExiting, ExitReason.movDr, 3, 'mov ebx, dr7'],
    ['invlpg [0x5000]', Primary.invlpgExiting, ExitReason.invlpg, 7, '0x5000'],
    ['rdtsc', Primary.rdtscExiting, ExitReason.rdtsc, 2, '0x0'],
    ['vmcall', 0, ExitReason.vmcall, 3, '0x0'],
  ];
  it.each(exits)('%s exits', (code, controls, reason, length, qualification) => {
    const b = bench(`org 0x1000\n${code}\nhlt`, { controls });
    b.enter();
    expect(b.runToExit()).toBe(reason);
    expect(b.get('exitInstructionLength')).toBe(length);
    expect(describeQualification(reason, b.get('exitQualification'))).toBe(qualification);
  });

  it('without their controls the same instructions run in the guest', () => {
    const b = bench(
      `org 0x1000\nmov eax, ${GUEST_DIRECTORY}\nmov cr3, eax\nmov ecx, cr3\ninvlpg [0x5000]\nrdtsc\nout 0x80, al\nhlt`,
    );
    b.enter();
    expect(b.runToExit()).toBe(ExitReason.hlt);
    expect(b.ports.written.length).toBe(1);
  });

  it("a privileged instruction in ring 3 is the guest's own #GP, not an exit", () => {
    const b = bench(
      kernelSource(`
  gate 13, handler, 0x8e00
  to_user user, 2
user:
  hlt
handler:
  mov eax, 99
  hlt`),
    );
    b.enter();
    expect(b.runToExit()).toBe(ExitReason.hlt);
    expect(b.processor.state.gpr(RAX)).toBe(99);
  });
});

describe('events', () => {
  const KERNEL = kernelSource(`
  gate 13, protection, 0x8e00
  gate 14, page_fault, 0x8e00
  gate 32, timer, 0x8e00
  gate 0x80, call, 0x8e00
  hlt
idle:
  nop
  jmp idle
protection:
  pop ebx
  hlt
page_fault:
  pop ebx
  mov ecx, cr2
  hlt
timer:
  mov eax, 32
  hlt
call:
  mov eax, 0x80
  hlt`);

  /** Past the HLT behind the table set-up. */
  function settled(setup: Setup = {}): Bench {
    const b = bench(KERNEL, setup);
    b.enter();
    b.runToExit();
    b.set({ guestRip: b.symbol('idle') });
    return b;
  }

  it('injects an exception with its error code through the guest IDT', () => {
    const b = settled();
    b.set({ entryInterruption: packInterruption(13, 3, true), entryErrorCode: 0x58 });
    const before = b.clock.instructions;
    expect(b.enter()).toEqual({ kind: 'entered' });
    expect(b.processor.state.eip).toBe(b.symbol('protection'));
    expect(b.clock.instructions).toBe(before);
    b.runToExit();
    expect(b.processor.state.gpr(3)).toBe(0x58);
    expect(b.emitted('deliver').at(-1)).toEqual({ vector: 13, kind: 1, errorCode: 0x58, cr2: 0 });
  });

  it('injects an external interrupt', () => {
    const b = settled();
    b.set({ entryInterruption: packInterruption(32, 0, false), guestRflags: 0x202 });
    b.enter();
    expect(b.runToExit()).toBe(ExitReason.hlt);
    expect(b.processor.state.gpr(RAX)).toBe(32);
    expect(b.memory.read32(0x9000 - 12)).toBe(b.symbol('idle'));
  });

  it('injecting a software interrupt pushes the next instruction and retires it', () => {
    const b = settled();
    b.set({ entryInterruption: packInterruption(0x80, 4, false), entryInstructionLength: 2 });
    const before = b.clock.instructions;
    b.enter();
    expect(b.clock.instructions).toBe(before + 1);
    b.runToExit();
    expect(b.memory.read32(0x9000 - 12)).toBe(b.symbol('idle') + 2);
  });

  it('a pending external interrupt exits acknowledged even with IF clear', () => {
    const b = settled();
    b.enter();
    b.interrupts.push(0xf0);
    expect(b.runToExit()).toBe(ExitReason.externalInterrupt);
    expect(describeInterruption(b.get('exitInterruption'))).toBe('external interrupt 240');
    expect(b.get('exitInstructionLength')).toBe(0);
    expect(b.interrupts).toEqual([]);
  });

  it('wakes from the HLT activity state by an exit', () => {
    const b = settled();
    b.set({ guestActivity: 1 });
    b.enter();
    expect(b.run().reason).toBe('halted');
    b.interrupts.push(0xf0);
    expect(b.runToExit()).toBe(ExitReason.externalInterrupt);
    expect(b.get('guestActivity')).toBe(1);
    expect(b.processor.state.word(OFF.activity)).toBe(0);
  });

  it('interrupt-window exiting waits for the instruction behind STI', () => {
    const b = bench('org 0x1000\nnop\nsti\nnop\nhlt', { controls: Primary.interruptWindowExiting });
    b.enter();
    expect(b.runToExit()).toBe(ExitReason.interruptWindow);
    expect(b.get('guestRip')).toBe(0x1003);
    expect(b.clock.instructions).toBe(3);
  });

  it('an intercepted page fault leaves CR2 alone and gives address and error code', () => {
    const b = settled();
    b.memory.write32(GUEST_TABLE + 5 * 4, 0);
    b.set({ exceptionBitmap: 1 << 14, guestRip: b.symbol('idle') });
    b.memory.writeBytes(b.symbol('idle'), Uint8Array.of(0xa3, 0x10, 0x50, 0, 0)); // mov [0x5010], eax
    b.processor.state.cr2 = 0x1234;
    b.enter();
    expect(b.runToExit()).toBe(ExitReason.exceptionOrNmi);
    expect([b.get('exitQualification'), b.get('exitErrorCode')]).toEqual([0x5010, 2]);
    expect(describeInterruption(b.get('exitInterruption'))).toBe('hardware exception 14 (#PF) with error code');
    expect(b.get('guestRip')).toBe(b.symbol('idle'));
    expect(b.processor.state.cr2).toBe(0x1234);
    expect(b.get('idtVectoring')).toBe(0);
  });

  it('a page fault on the stack of INT n exits with IDT-vectoring information, and the event can be injected again', () => {
    const b = settled();
    b.memory.writeBytes(b.symbol('idle'), Uint8Array.of(0xcd, 0x80));
    b.memory.write32(GUEST_TABLE + 8 * 4, 0);
    b.set({ exceptionBitmap: 1 << 14 });
    const before = b.clock.instructions;
    b.enter();
    expect(b.runToExit()).toBe(ExitReason.exceptionOrNmi);
    expect(describeInterruption(b.get('idtVectoring'))).toBe('software interrupt 128');
    expect(b.get('exitInstructionLength')).toBe(2);
    expect(b.clock.instructions).toBe(before);
    b.memory.write32(GUEST_TABLE + 8 * 4, 0x8007);
    b.set({ entryInterruption: b.get('idtVectoring'), entryInstructionLength: b.get('exitInstructionLength') });
    expect(b.enter()).toEqual({ kind: 'entered' });
    expect(b.processor.state.eip).toBe(b.symbol('call'));
    expect(b.clock.instructions).toBe(before + 1);
  });

  it('a triple fault exits', () => {
    const b = bench('org 0x1000\nint 3\nhlt');
    b.enter();
    expect(b.runToExit()).toBe(ExitReason.tripleFault);
    expect(b.get('guestRip')).toBe(0x1000);
  });
});

describe('EPT', () => {
  const LOAD = 'org 0x1000\nhlt\nmov eax, [0x5000]\nmov [0x5004], eax\nhlt';

  it('a cold walk of 2 guest and 4 host levels makes 14 references, and VPID keeps the combined entry', () => {
    const b = bench(LOAD, { ept: true, vpid: true });
    fillEpt(b);
    b.memory.write32(0x5000, 0xabcd);
    b.enter();
    const refs = b.emitted('walkRef').length;
    b.runToExit();
    const fetch = b.emitted('walkRef').slice(refs);
    expect(fetch.filter((r) => r.dim === 1).length).toBe(12 + 8); // and the A flags' writes
    expect(fetch.filter((r) => r.dim === 0).length).toBe(2);
    // Accessed flags are set now, so that the next page's walk writes one entry only; set them all to see a bare walk.
    for (let page = 0; page < 256; page++) b.memory.write32(GUEST_TABLE + page * 4, (page << 12) | 0x67);
    b.set({ guestRip: 0x1001 });
    b.enter();
    const before = b.emitted('walkRef').length;
    b.runToExit();
    const walk = b.emitted('walkRef').slice(before);
    expect(walk.length).toBe(14);
    expect(walk.map((r) => `${r.dim === 0 ? 'g' : 'h'}${r.level}`).join(' ')).toBe(
      'h4 h3 h2 h1 g2 h4 h3 h2 h1 g1 h4 h3 h2 h1',
    );
    expect(b.processor.state.gpr(RAX)).toBe(0xabcd);
    expect(b.memory.read32(0x5004)).toBe(0xabcd);
  });

  it('a missing page is a violation with GPA, linear address and access; the instruction then runs again', () => {
    const b = bench(LOAD, { ept: true });
    fillEpt(b, new Map([[5, 0]]));
    b.enter();
    b.runToExit();
    b.set({ guestRip: 0x1001 });
    b.enter();
    expect(b.runToExit()).toBe(ExitReason.eptViolation);
    expect(describeQualification(48, b.get('exitQualification'))).toBe('read, linear address valid, final access');
    expect([b.get('guestPhysicalAddress'), b.get('guestLinearAddress'), b.get('guestRip')]).toEqual([
      0x5000, 0x5000, 0x1001,
    ]);
    b.memory.write64(EPT + 0x3000 + 5 * 8, eptLeafEntry(0x6000, EPT_READ));
    b.memory.write32(0x6000, 77);
    b.enter();
    expect(b.runToExit()).toBe(ExitReason.eptViolation);
    expect(describeQualification(48, b.get('exitQualification'))).toBe(
      'write, readable, linear address valid, final access',
    );
    expect(b.processor.state.gpr(RAX)).toBe(77);
  });

  it('a violation on a guest page table says so', () => {
    const b = bench(LOAD, { ept: true });
    fillEpt(b, new Map([[GUEST_TABLE >>> 12, 0]]));
    b.enter();
    expect(b.runToExit()).toBe(ExitReason.eptViolation);
    expect(describeQualification(48, b.get('exitQualification'))).toBe('read, linear address valid');
    expect([b.get('guestPhysicalAddress'), b.get('guestLinearAddress')]).toEqual([GUEST_TABLE + 4, 0x1000]);
  });

  it('an unrestricted guest runs with paging off, each GPA through the EPT', () => {
    const b = bench('org 0x1000\nmov eax, [0x5000]\nhlt', { ept: true });
    fillEpt(b);
    b.memory.write64(EPT + 0x3000 + 5 * 8, eptLeafEntry(0x6000, EPT_READ));
    b.memory.write32(0x6000, 78);
    b.set({ guestCr0: CR0_PE | CR0_NE | CR0_ET });
    expect(b.enter()).toEqual({ kind: 'entered' });
    expect(b.runToExit()).toBe(ExitReason.hlt);
    expect(b.processor.state.gpr(RAX)).toBe(78);
  });
});
