import { describe, expect, it } from 'vitest';
import { Clock, CycleLedger } from './clock';
import { CPU_TECHNIQUES } from './config';
import { COST_NAMES, costsOf } from './costs';
import { EVENT_KINDS, type EventKind } from './event-kinds';
import { EventStream } from './events';

const context = { vm: 0, vcpu: 0, cpl: 0, step: 0, count: 0, ip: 0, cycle: 0 };

describe('the clock', () => {
  it('counts the slice under way before it is settled', () => {
    const clock = new Clock();
    let slice = 0;
    clock.inFlight = () => slice;
    slice = 7;
    expect(clock.instructions).toBe(7);
    slice = 0;
    clock.retire(7);
    clock.passIdle(3);
    expect([clock.instructions, clock.idle, clock.now]).toEqual([7, 3, 10]);
  });
});

describe('the cycle ledger', () => {
  it('charges what the preset says, under the technique that runs', () => {
    const total = (technique: 'trap' | 'hw'): number => {
      const ledger = new CycleLedger(costsOf('p4-2005'), technique, new Clock());
      const events = new EventStream({ ...context });
      ledger.follow(events);
      events.emit('exit', 30);
      events.emit('entry');
      return ledger.parts().worldSwitch;
    };
    expect(total('hw')).toBe(1931 + 2409);
    expect(total('trap')).toBe(2000);
  });

  it('keeps its parts apart and takes overrides', () => {
    const clock = new Clock();
    const ledger = new CycleLedger(costsOf('unit', { walkReference: 5, instruction: 2 }), 'native', clock);
    const events = new EventStream({ ...context });
    ledger.follow(events);
    events.emit('walkRef', 0);
    events.emit('pio', 1, 0x3f8);
    clock.retire(10);
    ledger.emulated(3);
    expect(ledger.parts()).toEqual({ guest: 20, vmm: 3, walk: 5, worldSwitch: 0, device: 1 });
    expect(ledger.total).toBe(29);
  });

  it.each(COST_NAMES)('has a use for %s', (name) => {
    const total = (costs: Partial<Record<typeof name, number>>): number =>
      CPU_TECHNIQUES.map((technique) => {
        const clock = new Clock();
        const ledger = new CycleLedger(costsOf('unit', costs), technique, clock);
        const events = new EventStream({ ...context });
        ledger.follow(events);
        for (const kind of EVENT_KINDS) events.emit(kind.name as EventKind);
        clock.retire(1);
        ledger.emulated(1);
        return ledger.total;
      }).reduce((sum, cycles) => sum + cycles, 0);
    expect(total({ [name]: 1000 })).toBeGreaterThan(total({}));
  });
});
