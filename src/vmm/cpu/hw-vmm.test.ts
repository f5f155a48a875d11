/** The VMM itself under VT-x: what it shows the guest, saves, steps and views. */
import { describe, expect, it } from 'vitest';
import { StopCause } from '../../machine/event-kinds';
import { kernelSource } from '../../machine/processor/tiny-machine.test-support';
import { NATIVE } from '../guest.test-support';
import { HwTechnique } from './hw';
import { type Ended, SHADOW, NESTED, build, finish, run, EXIT, PAGING } from './hw.test-support';

describe('the VMM under VT-x', () => {
  it('CPUID shows the profile without VT-x', () => {
    const source = kernelSource(`mov eax, 1\ncpuid\nmov [0x300000], ecx\n${EXIT}`);
    const word = (r: Ended): number => new DataView(r.machine.guest().readGpa(0x300000, 4).buffer).getUint32(0, true);
    const [native, hw] = [word(run(source, NATIVE)), word(run(source, NESTED))];
    expect(native & 0x20).toBe(0x20);
    expect(hw).toBe(native & ~0x20);
  });

  it('VMX instructions of the guest are undefined: it has no VT-x', () => {
    const r = run(kernelSource(`gate 6, undefined, 0x8e00\nvmcall\njmp $\nundefined:\nmov esi, 6\n${EXIT}`), SHADOW);
    expect(r.machine.guest().state.gpr(6)).toBe(6);
  });

  const LOOP = kernelSource(`${PAGING}
  mov dword [0x200000], 5
again:
  in al, 0x21
  inc dword [0x200000]
  mov eax, cr3
  mov cr3, eax
  cmp dword [0x200000], 400
  jb again
  ${EXIT}`);

  it.each([SHADOW, NESTED])('a save in the middle continues to the same end: $mmu', (setting) => {
    const whole = finish(build(LOOP, setting));
    const first = build(LOOP, setting);
    first.machine.run({ count: 6500 });
    // Looking changes nothing.
    expect(first.machine.guest().pageTables(100).length).toBe(100);
    const saved = first.machine.save();
    const fresh = build(LOOP, setting);
    fresh.machine.load(saved);
    fresh.machine.run({ count: 200_000 });
    first.machine.run({ count: 200_000 });
    expect(fresh.machine.stateHash()).toBe(whole.machine.stateHash());
    expect(first.machine.stateHash()).toBe(whole.machine.stateHash());
  });

  it.each([SHADOW, NESTED])('steps of a handler are named and change nothing: $mmu', (setting) => {
    const whole = finish(build(LOOP, setting));
    const { machine } = build(LOOP, setting);
    const names = new Set<string>();
    for (;;) {
      const stop = machine.run({ count: 200_000, stepHandler: true });
      if (stop.reason === 'handlerStep') names.add(`${stop.step.handler}: ${stop.step.step}`);
      else if (stop.reason !== 'handlerEnd') break;
    }
    expect([...names]).toContain('exit:I/O instruction: read from the virtual device');
    expect(machine.stateHash()).toBe(whole.machine.stateHash());
  });

  it('the page table view shows the guest entry and the EPT entry behind it, GPA apart from HPA', () => {
    const { machine } = build(LOOP, NESTED);
    machine.run({ count: 6500 });
    const row = machine
      .guest()
      .pageTables()
      .find((r) => r.gva === 0x200000);
    expect(row).toMatchObject({ gpa: 0x200000, guestEntry: 0x200067 });
    expect(row?.second.kind).toBe('nested');
    expect(row?.second.hpa).toBe(machine.guest().gpaToHpa(0x200000));
    expect(row?.second.hpa).not.toBe(0x200000);
    expect(Number(row?.second.entry) & 7).toBe(7);
  });

  it('a user edit that makes the guest state invalid is answered by the rule that it breaks', () => {
    const { machine } = build(LOOP, NESTED);
    machine.run({ count: 6500 });
    const view = machine.guest();
    expect(view.root).toBe('non-root');
    const hypervisor = Reflect.get(machine, 'hypervisor') as { parts: { cpu: unknown } };
    const { cpu } = hypervisor.parts;
    if (!(cpu instanceof HwTechnique)) throw new Error('not the hw technique');
    cpu.editGuestState((state) => state.setGpr(6, 99));
    expect(machine.guest().state.gpr(6)).toBe(99);
    expect(machine.guest().root).toBe('non-root');
    cpu.editGuestState((state) => {
      state.cr4 = 1 << 31;
    });
    expect(cpu.entryFailure).toMatch(/guestCr4 is 0x80002000; it must have VMXE set and only bits of/);
    expect(machine.run()).toMatchObject({
      reason: 'stopped',
      cause: StopCause.entryFailure,
      message: cpu.entryFailure,
    });
  });
});
