/** The VMM itself under ring deprivileging: the faults that it hides and passes on, its steps, edits from outside. */
import { describe, expect, it } from 'vitest';
import { FaultClass } from '../../machine/event-kinds';
import { start } from '../guest.test-support';
import { guest, paging, END, BODY, lockstep, SMALL } from './trap.test-support';

describe('faults under deprivileging', () => {
  it('that are hidden run no guest code', () => {
    const run = start({ ...SMALL, cpu: 'trap', mmu: 'shadow' }, guest(`mov eax, [0x50000]\n ${END}`));
    run.run();
    expect(run.facts.all.deliveriesByVector).toEqual({});
    expect(run.facts.all.faultsByClass[FaultClass.hidden]).toBeGreaterThan(2);
    expect(run.facts.all.faultsByClass[FaultClass.true]).toBeUndefined();
  });

  it('that are true run the handler of the guest once each', () => {
    const run = lockstep(`
      ${paging()}
      mov word [0x3000 + 14 * 8], fault
      mov eax, [0x400000]
      mov eax, [0x500000]
      ${END}
    fault:
      inc dword [0x5000]
      add dword [esp + 4], 5            ; skip the load
      add esp, 4
      iretd`);
    expect(run.facts.all.faultsByClass[FaultClass.true]).toBe(2);
    expect(run.facts.all.deliveriesByVector).toEqual({ 14: 2 });
  });
});

describe('the VMM in the debugger', () => {
  it('can be walked step by step, with the same result', () => {
    const image = guest(`cli\n ${END}`);
    const stepped = start({ ...SMALL, cpu: 'trap', mmu: 'shadow' }, image);
    const whole = start({ ...SMALL, cpu: 'trap', mmu: 'shadow' }, image);
    const names: string[] = [];
    for (;;) {
      const stop = stepped.machine.run({ stepHandler: true });
      if (stop.reason === 'stopped') break;
      if (stop.reason === 'handlerStep') names.push(`${stop.step.handler}: ${stop.step.step}`);
    }
    whole.run();
    expect(stepped.machine.events.emitted).toBe(whole.machine.events.emitted);
    expect(names).toContain('emulate: execute it on the virtual processor');
    expect(names).toContain('return to the guest: deprivilege and return by IRET');
    expect(stepped.digest()).toEqual(whole.digest());
  });

  it('applies edits of virtual registers', () => {
    const run = start({ ...SMALL, cpu: 'trap', mmu: 'shadow' }, guest(`mov eax, 1\n ${END}`));
    run.run(BODY + 1);
    run.machine.input({ kind: 'register', register: 'ecx', value: 0x77 });
    expect(run.machine.guest().state.gpr(1)).toBe(0x77);
    expect(run.machine.guest().realCpl).toBe(1);
    expect(run.run()).toMatchObject({ reason: 'stopped', value: 0 });
    expect(run.machine.guest().state.gpr(1)).toBe(0x77);
  });
});
