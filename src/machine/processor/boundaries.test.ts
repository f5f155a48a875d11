/** What happens between instructions: external interrupts, shadows, single steps, halting, budgets. */
import { describe, expect, it } from 'vitest';
import { OFF } from '../../engine/state';
import { FLAG_IF } from '../../x86/flags';
import { RAX, RBX, RCX, RSP, SS } from '../../x86/registers';
import { kernelSource, tinyMachine } from './tiny-machine.test-support';

describe('instruction boundaries', () => {
  it('an interrupt waits for IF, and for one more instruction after STI', () => {
    const machine = tinyMachine(
      kernelSource('gate 0x20, timer, 0x8e00\nat: nop\nsti\nnop\nafter: nop\nhlt\ntimer: hlt'),
    );
    machine.runTo('at');
    machine.interrupts.push(0x20);
    machine.runTo('timer');
    expect(machine.memory.read32(machine.processor.state.gpr(RSP))).toBe(machine.symbol('after'));
    expect(machine.emitted('irq')).toEqual([{ op: 1, vector: 0x20 }]);
    expect(machine.emitted('deliver')).toEqual([{ vector: 0x20, kind: 0, errorCode: 0, cr2: 0 }]);
  });

  it('STI with IF set already casts no shadow', () => {
    const machine = tinyMachine(
      kernelSource('gate 0x20, timer, 0x8e00\nsti\nnop\nat: sti\nafter: nop\nhlt\ntimer: hlt'),
    );
    machine.runTo('at');
    machine.run(1);
    machine.interrupts.push(0x20);
    machine.runTo('timer');
    expect(machine.memory.read32(machine.processor.state.gpr(RSP))).toBe(machine.symbol('after'));
  });

  it('MOV SS holds interrupts off until the next instruction has run', () => {
    const machine = tinyMachine(
      kernelSource(
        'gate 0x20, timer, 0x8e00\nmov ax, 0x10\nsti\nnop\nat: mov ss, ax\nmov esp, 0x6000\nafter: nop\ntimer: hlt',
      ),
    );
    machine.runTo('at');
    machine.run(1);
    machine.interrupts.push(0x20);
    machine.runTo('timer');
    expect(machine.memory.read32(0x6000 - 12)).toBe(machine.symbol('after'));
  });

  it('TF raises #DB after each instruction, with DR6.BS and the next address', () => {
    const machine = tinyMachine(
      kernelSource(
        'gate 1, trap, 0x8e00\npushfd\nor dword [esp], 0x100\npopfd\nfirst: nop\nsecond: nop\nhlt\ntrap: hlt',
      ),
    );
    machine.runTo('trap');
    const { state } = machine.processor;
    expect(machine.memory.read32(state.gpr(RSP))).toBe(machine.symbol('second'));
    expect(state.word(OFF.dr + 48) & 0x4000).toBe(0x4000);
    expect(state.eflags & 0x100).toBe(0);
    // The pushed image still has TF, and RF is clear for a trap.
    expect(machine.memory.read32(state.gpr(RSP) + 8) & 0x10100).toBe(0x100);
  });

  it('HLT stops the processor until an interrupt arrives, and counts one instruction', () => {
    const machine = tinyMachine(
      kernelSource('gate 0x20, timer, 0x8e00\nsti\nat: hlt\nafter: nop\ntimer: inc ebx\niretd'),
    );
    machine.runTo('at');
    const before = machine.clock.instructions;
    expect(machine.run()).toMatchObject({ reason: 'halted', retired: 1 });
    expect(machine.run()).toMatchObject({ reason: 'halted', retired: 0 });
    machine.interrupts.push(0x20);
    machine.runTo('after');
    expect(machine.clock.instructions - before).toBe(3);
    expect(machine.processor.state.gpr(RBX)).toBe(1);
  });

  it('runs exactly as many instructions as its budget, system instructions included', () => {
    const machine = tinyMachine(kernelSource('at: cli\nnop\nmov ax, ds\nmov es, ax\ninc ecx\nend: hlt'));
    machine.runTo('at');
    for (let i = 0; i < 5; i++) expect(machine.run(1)).toMatchObject({ reason: 'budget', retired: 1 });
    expect(machine.processor.state.eip).toBe(machine.symbol('end'));
    expect(machine.run(0)).toMatchObject({ reason: 'budget', retired: 0 });
  });

  it('a run that ends at a count ends before the interrupts of that count', () => {
    const machine = tinyMachine(kernelSource('gate 0x20, timer, 0x8e00\nsti\nnop\nat: nop\nhlt\ntimer: hlt'));
    machine.runTo('at');
    machine.interrupts.push(0x20);
    machine.run(0);
    expect(machine.processor.state.eip).toBe(machine.symbol('at'));
  });

  it('POPF in ring 3 changes neither IF nor IOPL, silently', () => {
    const machine = tinyMachine(
      kernelSource(`
  gate 0x80, back, 0xee00
  to_user user, 0x202
user:
  push dword 0x3001
  popfd
  pushfd
  pop eax
  int 0x80
back: hlt
`),
    );
    machine.runTo('back');
    expect(machine.processor.state.gpr(RAX)).toBe(0x203);
  });

  it('POPF in ring 0 changes IF, IOPL and (with CPUID) ID', () => {
    const machine = tinyMachine(kernelSource('push dword 0x203201\npopfd\npushfd\npop eax\ndone: hlt'));
    machine.runTo('done');
    expect(machine.processor.state.gpr(RAX)).toBe(0x203203);
    const old = tinyMachine(kernelSource('push dword 0x203201\npopfd\npushfd\npop eax\ndone: hlt'), {
      profile: 'i386',
    });
    old.runTo('done');
    expect(old.processor.state.gpr(RAX)).toBe(0x3203);
  });

  it('with IOPL 3, ring 3 may CLI and STI', () => {
    const machine = tinyMachine(
      kernelSource(`
  to_user user, 0x3202
user: cli
off: sti
on: nop
`),
    );
    machine.runTo('off');
    expect(machine.processor.state.eflags & FLAG_IF).toBe(0);
    machine.runTo('on');
    expect(machine.processor.state.eflags & FLAG_IF).toBe(FLAG_IF);
  });

  it('gives control to an attached hypervisor when a delivery reaches ring 0', () => {
    const machine = tinyMachine(
      kernelSource(`
  gate 13, stub, 0x8e00
entering: to_user user, 2
user: nop
  cli
stub: ud2
`),
    );
    machine.runTo('entering');
    machine.processor.hypervisorAttached = true;
    // The six instructions of to_user, and the NOP.
    expect(machine.run()).toMatchObject({ reason: 'hypervisor', retired: 7 });
    expect(machine.processor.state.eip).toBe(machine.symbol('stub'));
  });

  it('a REP iteration of OUTS counts one each and can be interrupted in between', () => {
    const machine = tinyMachine(
      kernelSource('mov esi, text\nmov ecx, 3\nmov edx, 0xe9\nat: rep outsb\ndone: hlt\ntext: db "abc"'),
    );
    machine.runTo('at');
    expect(machine.run(2)).toMatchObject({ reason: 'budget', retired: 2 });
    expect([machine.processor.state.eip, machine.processor.state.gpr(RCX)]).toEqual([machine.symbol('at'), 1]);
    expect(machine.run(1).retired).toBe(1);
    expect(machine.processor.state.eip).toBe(machine.symbol('done'));
    expect(machine.ports.written.map(([, value]) => String.fromCharCode(value)).join('')).toBe('abc');
    expect(machine.emitted('pio')[0]).toEqual({ direction: 1, port: 0xe9, size: 1, value: 0x61 });
  });

  it('saves equal bytes for equal processors, however the run was sliced', () => {
    const source = kernelSource('mov ecx, 50\n.loop: add eax, ecx\nloop .loop\ndone: hlt');
    const whole = tinyMachine(source);
    whole.runTo('done');
    const sliced = tinyMachine(source);
    sliced.processor.setBreakpoints(new Set([sliced.symbol('done')]));
    for (let slice = 0; slice < 100 && sliced.run(1 + (slice % 5)).reason === 'budget'; slice++);
    expect(sliced.processor.state.eip).toBe(sliced.symbol('done'));
    const other = tinyMachine(source);
    other.processor.load(whole.processor.save());
    expect(other.processor.save()).toEqual(whole.processor.save());
    expect(other.processor.state.gpr(RAX)).toBe(0x28 + 1275);
    expect(sliced.processor.state.selector(SS)).toBe(0x10);
    expect(sliced.processor.save()).toEqual(whole.processor.save());
  });
});
