/** VMX non-root operation over host memory: what exits, and with which information. */
import { describe, expect, it } from 'vitest';
import { OFF } from '../../../engine/state';
import { CR0_NE, CR0_PE, CR4_VMXE } from '../../../x86/paging-bits';
import { Primary, Secondary } from '../../../x86/vmx/controls';
import { eptLeafEntry, eptPointer, eptTableEntry } from '../../../x86/vmx/ept';
import { ExitReason } from '../../../x86/vmx/exit-reasons';
import { type FieldName } from '../../../x86/vmx/fields';
import { describeInterruption } from '../../../x86/vmx/interruption';
import { describeQualification } from '../../../x86/vmx/qualification';
import { EventType } from './interface';
import { bench, type Bench, ready, thrown, HOST_CR0 } from './vmx-bench.test-support';

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
