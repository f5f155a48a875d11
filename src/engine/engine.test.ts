import { describe, expect, it } from 'vitest';
import { BenchMachine } from './bench-machine.test-support';

describe('jumps to the very next instruction', () => {
  // call next / next: pop eax / jmp $+2 / push 0x100e / ret / hlt
  const CODE = [0xe8, 0, 0, 0, 0, 0x58, 0xeb, 0, 0x68, 0x0e, 0x10, 0, 0, 0xc3, 0xf4];

  it.each([{ evaluatorOnly: true }, {}])('go on there when the evaluator executes them: %o', (options) => {
    const m = new BenchMachine(1 << 20, options);
    // This run leaves ops in the arena that must not be taken for what follows the call.
    m.place(0x1000, CODE);
    m.state.setGpr(4, 0x8000);
    m.engine.run(2);
    m.place(0x1000, CODE);
    m.state.setGpr(4, 0x8000);
    expect(m.engine.run(100)).toMatchObject({ reason: 'system', retired: 5 });
    expect([m.state.gpr(0), m.state.eip, m.state.gpr(4)]).toEqual([0x1005, 0x100e, 0x8000]);
  });
});

describe('engine', () => {
  it('runs a loop, stops exactly at the budget and at a system instruction', () => {
    const m = new BenchMachine();
    // mov ecx,5 / loop: add eax,ecx / dec ecx / jnz loop / hlt
    m.place(0x1000, [0xb9, 5, 0, 0, 0, 0x01, 0xc8, 0x49, 0x75, 0xfb, 0xf4]);
    expect(m.engine.run(3)).toMatchObject({ reason: 'budget', retired: 3 });
    expect(m.state.eip).toBe(0x1008);
    const end = m.engine.run(1000);
    expect(end).toMatchObject({ reason: 'system', retired: 13 });
    expect(m.state.gpr(0)).toBe(15);
    expect(m.state.eip).toBe(0x100a);
  });

  it('counts each REP iteration and stays at the instruction in between', () => {
    const m = new BenchMachine();
    m.place(0x1000, [0xf3, 0xaa, 0xf4]);
    m.state.setGpr(0, 0x5a);
    m.state.setGpr(1, 10);
    m.state.setGpr(7, 0x2000);
    expect(m.engine.run(4)).toMatchObject({ reason: 'budget', retired: 4 });
    expect([m.state.eip, m.state.gpr(1)]).toEqual([0x1000, 6]);
    expect(m.engine.run(100)).toMatchObject({ reason: 'system', retired: 6 });
    expect([...m.memory.readBytes(0x1fff, 12)]).toEqual([0, ...new Array(10).fill(0x5a), 0]);
  });

  it('retires one instruction for a repeated instruction with a zero count', () => {
    const m = new BenchMachine();
    m.place(0x1000, [0xf3, 0xaa, 0xf4]);
    m.state.setGpr(7, 0xfff00000);
    expect(m.engine.run(100)).toMatchObject({ reason: 'system', retired: 1 });
  });

  it('leaves registers as before when an instruction faults', () => {
    const m = new BenchMachine();
    m.map(0x1000, 0x1000, 1);
    // pop dword [esp]: the new top of stack is not mapped
    m.place(0x1000, [0x8f, 0x04, 0x24]);
    m.state.setGpr(4, 0x1ffc);
    const result = m.engine.run(10);
    expect(result).toMatchObject({ reason: 'fault', retired: 0, fault: { vector: 14, linear: 0x2000, errorCode: 2 } });
    expect([m.state.eip, m.state.gpr(4)]).toEqual([0x1000, 0x1ffc]);
  });
});
