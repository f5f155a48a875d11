import { describe, expect, it } from 'vitest';
import { StopCause } from '../../src/machine/event-kinds';
import { expectedLines, inlineGuest, minikernel, start } from '../../src/vmm/guest.test-support';

const program = minikernel();

describe('the minikernel on the bare machine', () => {
  const { machine, facts, digest, run } = start({}, program);
  const stop = run();

  it('ends as it means to', () => {
    expect(stop).toEqual({ reason: 'stopped', cause: StopCause.debugExit, value: 0 });
  });

  it('prints the lines that QEMU prints, in an order of its own', () => {
    expect(machine.guest().deviceOutput().split('\n').sort()).toEqual(expectedLines().sort());
  });

  it('is switched by the timer, pages on demand, and refuses the process that reads the kernel', () => {
    expect(facts.all.deliveriesByVector[0x20]).toBeGreaterThan(50);
    expect(facts.all.deliveriesByVector[14]).toBe(8);
    expect(facts.all.deliveriesByVector[0x80]).toBe(18);
    const changes = (from: number, to: number): number | undefined => facts.all.rings[from * 4 + to];
    expect(changes(3, 0)).toBe(changes(0, 3));
  });

  it('idles while both processes sleep or have ended', () => {
    expect(machine.clock.idle).toBeGreaterThan(0);
  });

  it('walks exactly two references for each TLB miss that is filled', () => {
    expect(facts.count('walkRef')).toBeGreaterThanOrEqual(2 * (facts.all.tlbByOp[1] ?? 0));
  });

  it('has a digest that another TLB size does not change', () => {
    const other = start({ tlbEntries: 16 }, program);
    other.run();
    expect(other.digest()).toEqual(digest());
  });
});

describe('guests that go wrong', () => {
  const run = (source: string) => {
    return start({}, inlineGuest(source)).run(100_000);
  };

  it('stops a guest that halts with interrupts off', () => {
    expect(run('cli\nhlt')).toMatchObject({ reason: 'stopped', cause: StopCause.haltedForever });
  });

  it('stops a guest whose fault has no handler: a triple fault', () => {
    expect(run('ud2')).toMatchObject({ reason: 'stopped', cause: StopCause.tripleFault });
  });

  it('tells a guest that loops for ever only by the count', () => {
    expect(run('jmp $')).toEqual({ reason: 'count' });
  });

  it('waits with a guest that halts with interrupts on and no timer', () => {
    expect(run('mov esp, 0x200000\nsti\nhlt\ncli\nhlt')).toEqual({ reason: 'waiting' });
  });

  it('keeps the value of a guest that ends itself as failed', () => {
    expect(run('mov al, 7\nout 0xf4, al\njmp $')).toEqual({ reason: 'stopped', cause: StopCause.debugExit, value: 7 });
  });
});
