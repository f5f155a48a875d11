import { describe, expect, it } from 'vitest';
import { BenchMachine } from './bench-machine.test-support';

/** mov ecx, 3 / at 0x1005: add [0x2000], ecx / dec ecx / jnz 0x1005 / hlt */
const LOOP = [0xb9, 3, 0, 0, 0, 0x01, 0x0d, 0x00, 0x20, 0, 0, 0x49, 0x75, 0xf7, 0xf4];

describe('breakpoints', () => {
  it('stop before the instruction, each time it is reached, and let it pass once', () => {
    const m = new BenchMachine();
    m.place(0x1000, LOOP);
    m.engine.setBreakpoints(new Set([0x1005]));
    const counts: number[] = [];
    let total = 0;
    for (;;) {
      const result = m.engine.run(100);
      total += result.retired;
      if (result.reason !== 'breakpoint') break;
      expect([result.address, m.state.eip]).toEqual([0x1005, 0x1005]);
      counts.push(total);
      m.engine.skipBreakpointOnce();
    }
    expect(counts).toEqual([1, 4, 7]);
    expect(total).toBe(10);
  });

  it('are not passed by an instruction that faults first', () => {
    const m = new BenchMachine();
    m.map(0x1000, 0x1000, 1);
    m.place(0x1000, [0xa1, 0, 0x90, 0, 0]);
    m.engine.setBreakpoints(new Set([0x1000]));
    expect(m.engine.run(1).reason).toBe('breakpoint');
    m.engine.skipBreakpointOnce();
    expect(m.engine.run(1).reason).toBe('fault');
    // A hidden fault was repaired: the same instruction, at the same position, goes on without a second stop.
    m.map(0x9000, 0x9000, 1);
    expect(m.engine.run(1)).toMatchObject({ reason: 'budget', retired: 1 });
  });

  it('are seen on instructions that cross a page', () => {
    const m = new BenchMachine();
    m.place(0x1fff, [0xb8, 1, 0, 0, 0, 0xf4]);
    m.engine.setBreakpoints(new Set([0x1fff]));
    expect(m.engine.run(1).reason).toBe('breakpoint');
    m.engine.skipBreakpointOnce();
    expect(m.engine.run(1)).toMatchObject({ reason: 'budget', retired: 1 });
  });
});

describe('watchpoints', () => {
  it('stop after the access, with its position, and only for the watched bytes', () => {
    const m = new BenchMachine();
    m.place(0x1000, LOOP);
    m.engine.run(1);
    m.engine.setWatchpoints([{ hpa: 0x2002, length: 1, read: false, write: true }]);
    expect(m.engine.run(100)).toMatchObject({ reason: 'watchpoint', retired: 1, address: 0x2002 });
    expect([m.memory.read32(0x2000), m.state.eip]).toEqual([3, 0x100b]);
    m.engine.setWatchpoints([{ hpa: 0x2004, length: 4, read: true, write: true }]);
    expect(m.engine.run(100)).toMatchObject({ reason: 'system', retired: 8 });
  });

  it('catch reads too, and writes by others', () => {
    const m = new BenchMachine();
    m.place(0x1000, [0xa1, 0, 0x20, 0, 0, 0xf4]);
    m.engine.setWatchpoints([{ hpa: 0x2000, length: 4, read: true, write: true }]);
    expect(m.engine.run(100)).toMatchObject({ reason: 'watchpoint', retired: 1 });
    m.memory.write8(0x2003, 1);
    expect(m.engine.run(100)).toMatchObject({ reason: 'watchpoint', retired: 0, address: 0x2003 });
    expect(m.engine.run(100)).toMatchObject({ reason: 'system' });
  });
});

describe('a stop at N', () => {
  it('is where N single steps lead', () => {
    const whole = new BenchMachine();
    const stepped = new BenchMachine();
    for (const m of [whole, stepped]) m.place(0x1000, LOOP);
    for (let n = 1; n <= 9; n++) {
      stepped.engine.stepInstruction();
      whole.place(0x1000, LOOP);
      whole.memory.write32(0x2000, 0);
      whole.state.u8.fill(0, 0, 0x80);
      expect(whole.engine.run(n).retired).toBe(n);
      expect([whole.state.eip, whole.state.gpr(1), whole.state.eflags]).toEqual([
        stepped.state.eip,
        stepped.state.gpr(1),
        stepped.state.eflags,
      ]);
    }
  });

  it('does not fetch the instruction after the last one', () => {
    const m = new BenchMachine();
    m.map(0x1000, 0x1000, 1);
    m.place(0x1ffe, [0xeb, 0x00]);
    expect(m.engine.run(1)).toMatchObject({ reason: 'budget', retired: 1 });
    expect(m.engine.run(1)).toMatchObject({ reason: 'fault', retired: 0, fault: { linear: 0x2000 } });
  });
});
