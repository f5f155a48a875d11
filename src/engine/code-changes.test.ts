import { describe, expect, it } from 'vitest';
import { CS, DS, SS } from '../x86/registers';
import { BenchMachine } from './bench-machine.test-support';
import { AR_DB, AR_G, AR_P, AR_S } from './state';

const HLT = 0xf4;

describe('code that changes', () => {
  it('executes a byte that the guest has just written, even in the running block', () => {
    const m = new BenchMachine();
    // mov byte [0x1007], 0x42 / inc eax -> inc edx / hlt
    m.place(0x1000, [0xc6, 0x05, 0x07, 0x10, 0, 0, 0x42, 0x40, HLT]);
    m.engine.run(100);
    expect([m.state.gpr(0), m.state.gpr(2)]).toEqual([0, 1]);
  });

  it('sees a write by the VMM or a loader into decoded code', () => {
    const m = new BenchMachine();
    m.place(0x1000, [0x40, 0xeb, 0xfd]); // inc eax / jmp
    m.engine.run(1000);
    m.memory.write8(0x1000, 0x42); // inc edx
    const eax = m.state.gpr(0);
    m.engine.run(1000);
    expect(m.state.gpr(2)).toBe(500);
    expect(m.state.gpr(0)).toBe(eax);
  });

  it('keeps data stores beside code exact, and the code decoded', () => {
    const m = new BenchMachine();
    // inc dword [0x1100] / jmp
    m.place(0x1000, [0xff, 0x05, 0x00, 0x11, 0, 0, 0xeb, 0xf8]);
    m.engine.run(2000);
    expect(m.memory.read32(0x1100)).toBe(1000);
  });

  it('notices a store into code by an instruction that stored beside it before', () => {
    const m = new BenchMachine();
    m.place(0x1000, [0x88, 0x07, 0x40, HLT]); // mov [edi], al / inc eax / hlt
    const store = (address: number, value: number): void => {
      m.state.eip = 0x1000;
      m.state.setGpr(7, address);
      m.state.setGpr(0, value);
      m.engine.run(10);
    };
    store(0x1100, 1);
    store(0x1101, 2);
    store(0x1002, 0x42); // inc edx
    expect([m.state.gpr(0), m.state.gpr(2)]).toEqual([0x42, 1]);
    expect([...m.memory.readBytes(0x1100, 2)]).toEqual([1, 2]);
  });

  it('executes an instruction that crosses into another host page, and notices when its tail changes', () => {
    const m = new BenchMachine();
    m.map(0x1000, 0x1000, 1);
    m.map(0x2000, 0x5000, 1);
    // mov eax, 0x44332211 with two bytes in the next page, then hlt
    m.place(0x1ffd, [0xb8, 0x11, 0x22]);
    m.memory.writeBytes(0x5000, Uint8Array.of(0x33, 0x44, HLT));
    expect(m.engine.run(10)).toMatchObject({ reason: 'system', retired: 1 });
    expect(m.state.gpr(0)).toBe(0x44332211);
    m.memory.write8(0x5001, 0x55);
    m.state.eip = 0x1ffd;
    m.engine.run(10);
    expect(m.state.gpr(0)).toBe(0x55332211);
  });

  it('faults on the second page of a crossing instruction only when it reaches into it', () => {
    const m = new BenchMachine();
    m.map(0x1000, 0x1000, 1);
    m.place(0x1ffd, [0x40, 0x40, 0xb8]);
    expect(m.engine.run(10)).toMatchObject({ reason: 'fault', retired: 2, fault: { vector: 14, linear: 0x2000 } });
    expect(m.state.eip).toBe(0x1fff);
  });

  it('follows a page to its new frame after the TLB entry was flushed', () => {
    const m = new BenchMachine();
    m.map(0x1000, 0x1000, 1);
    m.place(0x1000, [0x40, 0xeb, 0xfd]);
    m.memory.writeBytes(0x6000, Uint8Array.of(0x42, 0xeb, 0xfd));
    m.engine.run(100);
    m.map(0x1000, 0x6000, 1);
    m.engine.run(100);
    expect(m.state.gpr(2)).toBe(0);
    m.tlb.flushPage(0x1000, 0);
    m.engine.run(100);
    expect([m.state.gpr(0), m.state.gpr(2)]).toEqual([100, 50]);
  });

  it('survives a full op arena', () => {
    const m = new BenchMachine(1 << 20);
    // 32 pages of INC EAX: more ops than the arena holds.
    const slide = new Uint8Array(32 * 4096).fill(0x40);
    slide[slide.length - 1] = HLT;
    m.place(0x10000, slide);
    expect(m.engine.run(1_000_000)).toMatchObject({ reason: 'system', retired: slide.length - 1 });
    expect(m.state.gpr(0)).toBe(slide.length - 1);
  });
});

describe('limits and types of segments', () => {
  it('raises #GP(0) beyond the CS limit, at the jump and at the fall through', () => {
    const m = new BenchMachine();
    m.state.setSegment(CS, 8, AR_P | AR_S | AR_DB | 11, 0, 0x1005);
    m.engine.modeChanged();
    m.place(0x1000, [0xeb, 0x10]);
    expect(m.engine.run(10)).toMatchObject({ reason: 'fault', retired: 0, fault: { vector: 13, errorCode: 0 } });
    m.place(0x1000, [0x40, 0x40, 0x40, 0x40, 0xb8, 1, 0, 0, 0]);
    expect(m.engine.run(10)).toMatchObject({ reason: 'fault', retired: 4, fault: { vector: 13, errorCode: 0 } });
  });

  it('checks every access of a segment that is cut below the top, and only there', () => {
    const m = new BenchMachine();
    const cut = 0xffbfffff;
    for (const segment of [DS, SS] as const) m.state.setSegment(segment, 0x10, AR_P | AR_S | AR_DB | AR_G | 3, 0, cut);
    m.engine.modeChanged();
    m.map(0, 0, 16);
    m.map(0xffbff000, 0x8000, 2);
    // mov eax, [edi] twice
    m.place(0x1000, [0x8b, 0x07, 0x8b, 0x07]);
    m.state.setGpr(7, 0xffbffffc);
    expect(m.engine.run(1)).toMatchObject({ reason: 'budget' });
    m.state.setGpr(7, 0xffbffffd);
    expect(m.engine.run(1)).toMatchObject({ reason: 'fault', fault: { vector: 13, errorCode: 0 } });
    m.state.setGpr(4, 0xffc00004);
    m.place(0x1000, [0x50]);
    expect(m.engine.run(1)).toMatchObject({ reason: 'fault', fault: { vector: 12, errorCode: 0 } });
  });

  it('refuses stores through a read-only segment and any access through a null one', () => {
    const m = new BenchMachine();
    m.state.setSegment(DS, 0x10, AR_P | AR_S | AR_DB | AR_G | 1, 0, 0xffffffff);
    m.engine.modeChanged();
    m.place(0x1000, [0xa1, 0, 0x30, 0, 0, 0xa3, 0, 0x30, 0, 0]);
    expect(m.engine.run(5)).toMatchObject({ reason: 'fault', retired: 1, fault: { vector: 13 } });
    m.state.setSegment(DS, 0, 1 << 16, 0, 0);
    m.engine.modeChanged();
    m.state.eip = 0x1000;
    expect(m.engine.run(5)).toMatchObject({ reason: 'fault', retired: 0, fault: { vector: 13 } });
  });

  it('adds the base of a segment that is not flat', () => {
    const m = new BenchMachine();
    m.state.setSegment(DS, 0x10, AR_P | AR_S | AR_DB | AR_G | 3, 0x4000, 0xffffffff);
    m.engine.modeChanged();
    m.memory.write32(0x4010, 0x12345678);
    m.place(0x1000, [0xa1, 0x10, 0, 0, 0]);
    m.engine.run(1);
    expect(m.state.gpr(0)).toBe(0x12345678);
  });

  it('raises #GP(0) for an instruction of more than 15 bytes', () => {
    const m = new BenchMachine();
    m.place(0x1000, [...new Array(15).fill(0x66), 0x90]);
    expect(m.engine.run(1)).toMatchObject({ reason: 'fault', fault: { vector: 13, errorCode: 0 } });
    m.place(0x2000, [...new Array(14).fill(0x66), 0x90]);
    expect(m.engine.run(1)).toMatchObject({ reason: 'budget', retired: 1 });
  });
});
