import { describe, expect, it } from 'vitest';
import { FaultClass, HANDLER_NAMES, HandlerKind, ShadowOp } from '../machine/event-kinds';
import { minikernel, NATIVE, type Run, SETTINGS, type Setting, sequence, start, VIRTUAL } from './guest.test-support';

const nameOf = ({ cpu, mmu }: Setting): string => (mmu === 'none' ? cpu : `${cpu} with ${mmu}`);
const program = minikernel();
/** Small, so that many digests are quick. */
const MEMORY = { memoryMiB: 4 };

/** Points spread over the run, the same in every test run. */
function points(n: number, end: number): number[] {
  const random = sequence(12345);
  return Array.from({ length: n }, () => random(end)).sort((a, b) => a - b);
}

function whole(setting: Setting): Run {
  const run = start({ ...setting, ...MEMORY }, program);
  expect(run.run()).toEqual({ reason: 'stopped', cause: 0, value: 0 });
  return run;
}

describe('the minikernel', () => {
  const native = whole(NATIVE);
  const end = native.machine.clock.instructions;

  describe.each(VIRTUAL.map((setting) => [nameOf(setting), setting] as const))('under %s', (_name, setting) => {
    it('ends with the digest, the output and the time of the bare machine', () => {
      const run = whole(setting);
      expect(run.machine.guest().deviceOutput()).toBe(native.machine.guest().deviceOutput());
      expect(run.digest()).toEqual(native.digest());
      expect(run.machine.clock.save()).toEqual(native.machine.clock.save());
    });

    it('has the same digest as the bare machine at any instruction', () => {
      const [bare, virtual] = [start({ ...NATIVE, ...MEMORY }, program), start({ ...setting, ...MEMORY }, program)];
      for (const count of [1, 2, 3, ...points(40, end)]) {
        bare.run(count);
        virtual.run(count);
        expect({ count, ...virtual.digest() }).toEqual({ count, ...bare.digest() });
      }
    });

    it('sees the same rings, deliveries and port accesses', () => {
      const { facts } = whole(setting);
      const { rings, ringsByCause, deliveriesByVector, portReads, portWrites, controlByRegister } = native.facts.all;
      expect(facts.all).toMatchObject({
        rings,
        ringsByCause,
        deliveriesByVector,
        portReads,
        portWrites,
        controlByRegister,
      });
    });
  });

  it('costs each technique its own exits and shadow work', () => {
    const [trap, hwShadow, nested] = VIRTUAL.map((setting) => whole(setting).facts);
    const exits = (handler: keyof typeof HandlerKind) =>
      [trap, hwShadow, nested].map((facts) => facts?.all.exitsByHandler[HandlerKind[handler]] ?? 0);
    expect(HANDLER_NAMES).toHaveLength(Object.keys(HandlerKind).length);
    expect(native.facts.count('exit')).toBe(0);
    const [trapExits, shadowExits, nestedExits] = [trap, hwShadow, nested].map((facts) => facts?.count('exit') ?? 0);
    // Deprivileging traps on every privileged instruction; nested paging has no page-fault exits.
    expect(trapExits).toBeGreaterThan(shadowExits ?? 0);
    expect(shadowExits).toBeGreaterThan(nestedExits ?? 0);
    expect(exits('pageFault')[2]).toBe(0);
    expect(nested?.count('shadow')).toBe(0);
    const [trapFaults, shadowFaults] = [trap?.all.faultsByClass ?? {}, hwShadow?.all.faultsByClass ?? {}];
    expect(trapFaults[FaultClass.true]).toBe(native.facts.all.deliveriesByVector[14]);
    expect(shadowFaults[FaultClass.true]).toBe(trapFaults[FaultClass.true]);
    // The trap technique also traces the frame of the guest's GDT, in which this kernel keeps other data;
    // under hw the hardware reads the guest's tables through the shadow, which takes a few more pages.
    expect(trapFaults[FaultClass.trace]).toBeGreaterThan(shadowFaults[FaultClass.trace] ?? 0);
    expect(shadowFaults[FaultClass.hidden]).toBeGreaterThan(trapFaults[FaultClass.hidden] ?? 0);
    expect(trap?.all.shadowByOp[ShadowOp.sync]).toBe(hwShadow?.all.shadowByOp[ShadowOp.sync]);
  });
});

describe.each(SETTINGS.map((setting) => [nameOf(setting), setting] as const))(
  'save and load under %s',
  (_name, setting) => {
    it('go on as if nothing had happened, in this machine and in a fresh one', () => {
      const run = start({ ...setting, ...MEMORY }, program);
      for (const [from, to] of [
        [1, 900],
        [36_000, 45_000],
        [301_117, 350_000],
      ] as const) {
        run.run(from);
        const save = run.machine.save();
        run.run(to);
        const [hash, events] = [run.machine.stateHash(), run.machine.events.hash];
        run.machine.load(save);
        run.run(to);
        expect([run.machine.stateHash(), run.machine.events.hash]).toEqual([hash, events]);
        const fresh = start({ ...setting, ...MEMORY }, program);
        fresh.machine.load(structuredClone(save));
        fresh.run(to);
        expect([fresh.machine.stateHash(), fresh.machine.events.hash]).toEqual([hash, events]);
      }
    });

    it('and a run in pieces make no difference to the events', () => {
      const whole = start({ ...setting, ...MEMORY }, program);
      whole.run(60_000);
      const pieces = start({ ...setting, ...MEMORY }, program);
      for (const count of points(50, 60_000)) {
        pieces.run(count);
        pieces.machine.save();
      }
      pieces.run(60_000);
      expect(pieces.machine.events.hash).toBe(whole.machine.events.hash);
      expect(pieces.machine.stateHash()).toBe(whole.machine.stateHash());
    });
  },
);
