import { describe, expect, it } from 'vitest';
import { EVENT_KINDS, type EventKind } from '../../src/machine/event-kinds';
import { Checkpoints } from '../../src/machine/checkpoints';
import { decodeSave, encodeSave, type MachineSave, SaveError } from '../../src/machine/save';
import { minikernel, type Run, SETTINGS, sequence, start } from '../../src/vmm/guest.test-support';

const program = minikernel();
const MEMORY = { memoryMiB: 4 };

/** Runs to a count, taking checkpoints on the way, as a debugger does. */
function runWithCheckpoints({ machine }: Run, end: number, interval: number): Checkpoints<MachineSave> {
  const checkpoints = new Checkpoints<MachineSave>(interval, 8);
  for (;;) {
    const { instructions } = machine.clock;
    if (instructions >= checkpoints.nextDue(instructions)) checkpoints.add(instructions, machine.save());
    if (instructions >= end) return checkpoints;
    machine.run({ count: Math.min(end, checkpoints.nextDue(instructions)) });
  }
}

function ending({ machine, facts }: Run): unknown {
  return { state: machine.stateHash(), events: machine.events.hash, facts: facts.save() };
}

describe.each(SETTINGS)('under $cpu with $mmu', (setting) => {
  const build = (): Run => start({ ...setting, ...MEMORY }, program);

  describe('saving, loading and replaying', () => {
    const random = sequence(7);
    const points = Array.from({ length: 6 }, () => {
      const from = random(700_000);
      return [from, from + random(150_000)] as const;
    });

    it.each(points)('run to %i, save, run to %i: the loaded run ends the same, here and elsewhere', (from, to) => {
      const first = build();
      first.machine.run({ count: from });
      const save = first.machine.save();
      const file = encodeSave(save);
      first.machine.run({ count: to });
      const expected = ending(first);

      first.machine.load(save);
      expect(first.machine.clock.instructions).toBe(from);
      first.machine.run({ count: to });
      expect(ending(first)).toEqual(expected);

      const second = build();
      second.machine.load(decodeSave(file));
      second.machine.run({ count: to });
      expect(ending(second)).toEqual(expected);
    });

    it('refuses a save of another configuration', () => {
      const { machine } = start({ ...setting, ...MEMORY, tlbEntries: 128 }, program);
      expect(() => build().machine.load(machine.save())).toThrow(/another configuration/);
    });
  });

  describe('observing', () => {
    const END = 260_000;
    const plain = build();
    plain.machine.run({ count: END });
    const expected = ending(plain);

    it('breakpoints change nothing', () => {
      const seen = build();
      const { machine } = seen;
      const labels = ['print_byte', 'schedule', 'page_on_demand', 'line_text', 'program_beta.step'];
      machine.processor.setBreakpoints(new Set(labels.map(program.label)));
      let stops = 0;
      while (machine.run({ count: END }).reason === 'breakpoint') stops++;
      expect(stops).toBeGreaterThan(1_000);
      machine.processor.setBreakpoints(new Set());
      expect(ending(seen)).toEqual(expected);
    });

    it('watchpoints change nothing', () => {
      const seen = build();
      const { machine } = seen;
      const hpa = machine.guest().gpaToHpa(program.label('ticks')) ?? 0;
      machine.processor.setWatchpoints([{ hpa, length: 4, read: true, write: true }]);
      let stops = 0;
      while (machine.run({ count: END }).reason === 'watchpoint') stops++;
      expect(stops).toBeGreaterThan(10);
      machine.processor.setWatchpoints([]);
      expect(ending(seen)).toEqual(expected);
    });

    it('recording more, or nothing, changes nothing', () => {
      for (const retention of ['recorded', 'counted'] as const) {
        const seen = build();
        for (const kind of EVENT_KINDS) seen.machine.events.retain(kind.name as EventKind, retention);
        seen.machine.run({ count: END });
        expect(ending(seen)).toEqual(expected);
      }
    });

    it.each([997, 20_000])('a checkpoint every %i instructions changes nothing', (interval) => {
      const seen = build();
      const { all } = runWithCheckpoints(seen, END, interval);
      expect(all).toHaveLength(8);
      expect(ending(seen)).toEqual(expected);
    });

    it('single steps change nothing', () => {
      const seen = build();
      for (let count = 1; count <= 3_000; count++) seen.machine.run({ count });
      seen.machine.run({ count: END });
      expect(ending(seen)).toEqual(expected);
    });

    it('stepping through the handlers changes nothing', () => {
      const seen = build();
      let steps = 0;
      for (;;) {
        const stop = seen.machine.run({ count: 40_000, stepHandler: true });
        if (stop.reason === 'count') break;
        steps++;
      }
      expect(steps > 0).toBe(setting.cpu !== 'native');
      seen.machine.run({ count: END });
      expect(ending(seen)).toEqual(expected);
    });
  });

  describe('travelling in time', () => {
    it('goes back to any count, as it was, and forward again', () => {
      const random = sequence(3);
      const travelled = build();
      const { machine } = travelled;
      const checkpoints = runWithCheckpoints(travelled, 150_000, 10_000);
      const end = ending(travelled);
      const goTo = (count: number): void => {
        const from = checkpoints.atOrBefore(count);
        if (from === undefined) throw new Error(`No checkpoint before ${count}.`);
        machine.load(from.state, true);
        machine.run({ count });
      };
      for (let i = 0; i < 5; i++) {
        const count = random(150_000);
        goTo(count);
        const direct = build();
        direct.machine.run({ count });
        expect(ending(travelled)).toEqual(ending(direct));
      }
      goTo(150_000);
      expect(ending(travelled)).toEqual(end);
    });
  });

  describe('inputs', () => {
    it('are replayed at their exact place', () => {
      const first = build();
      const { machine } = first;
      const beginning = machine.save();
      machine.run({ count: 50_000 });
      machine.input({ kind: 'serial', byte: 65 });
      machine.run({ count: 120_000 });
      machine.input({ kind: 'memory', gpa: 0x300000, bytes: new Uint8Array([1, 2, 3]) });
      machine.input({ kind: 'register', register: 'edx', value: 0x1234 });
      expect(machine.guest().state.gpr(2)).toBe(0x1234);
      machine.run({ count: 180_000 });
      const expected = ending(first);
      expect(machine.guest().readGpa(0x300000, 3)).toEqual(new Uint8Array([1, 2, 3]));

      machine.load(beginning, true);
      expect(machine.inputs.ahead).toBe(3);
      machine.run({ count: 180_000 });
      expect(ending(first)).toEqual(expected);
    });

    it('hold their place among deliveries that take no instruction', () => {
      const first = build();
      const { machine } = first;
      const beginning = machine.save();
      machine.processor.setBreakpoints(new Set([program.label('stub_page')]));
      expect(machine.run().reason).toBe('breakpoint');
      // The page fault has been delivered, and its count is still that of the instruction before.
      machine.processor.setBreakpoints(new Set());
      machine.input({ kind: 'register', register: 'ebp', value: 0x5555 });
      machine.run({ count: machine.clock.instructions + 20_000 });
      const { instructions } = machine.clock;
      const expected = ending(first);
      machine.load(beginning, true);
      machine.run({ count: instructions });
      expect(ending(first)).toEqual(expected);
    });

    it('change the guest in the same way as on the bare machine', () => {
      const run = ({ machine, digest }: Run): unknown => {
        machine.run({ count: 90_000 });
        // A timer tick out of turn, and a word in beta's last line.
        machine.input({ kind: 'interrupt', line: 0 });
        machine.input({ kind: 'memory', gpa: program.label('beta_own') + 1, bytes: new Uint8Array([0x42]) });
        machine.run({ count: 400_000 });
        machine.input({ kind: 'register', register: 'ebp', value: 4096 });
        machine.run({ count: 3_000_000 });
        return { digest: digest(), clock: machine.clock.save() };
      };
      expect(run(build())).toEqual(run(start(MEMORY, program)));
    });

    it('drop the future that a replay still had ahead', () => {
      const { machine } = build();
      const beginning = machine.save();
      machine.run({ count: 1_000 });
      machine.input({ kind: 'serial', byte: 1 });
      machine.load(beginning, true);
      machine.run({ count: 500 });
      machine.input({ kind: 'serial', byte: 2 });
      expect(machine.inputs.all.map((entry) => entry.at.count)).toEqual([500]);
    });

    it('refuse a register that cannot be edited, with those that can', () => {
      expect(() => build().machine.input({ kind: 'register', register: 'cs', value: 8 })).toThrow(/eax, ecx/);
    });
  });
});

describe('a save as a file', () => {
  it('is refused when it is foreign, damaged, cut off or of another format', () => {
    const { machine } = start(MEMORY, program);
    const file = encodeSave(machine.save());
    const changed = (at: number): Uint8Array => file.map((byte, i) => (i === at ? byte ^ 0xff : byte));
    expect(() => decodeSave(new Uint8Array(100))).toThrow(/not a Ringside save/);
    expect(() => decodeSave(changed(8))).toThrow(/format/);
    expect(() => decodeSave(changed(500))).toThrow(/checksum/);
    expect(() => decodeSave(file.subarray(0, file.length - 1))).toThrow(/damaged/);
    expect(() => decodeSave(new Uint8Array(0))).toThrow(SaveError);
  });
});
