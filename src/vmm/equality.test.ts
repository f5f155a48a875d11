import { describe, expect, it } from 'vitest';
import type { MachineConfig } from '../machine/config';
import { start } from './minikernel.test-support';

describe('x', () => {
  it('native', () => {
    for (const s of [{ cpu: 'native', mmu: 'none' }, { cpu: 'trap', mmu: 'shadow' }] as Partial<MachineConfig>[]) {
      const t = performance.now();
      const r = start(s);
      const stop = r.run(2_000_000);
      console.log(s.cpu, stop, performance.now() - t, r.machine.clock.save(), r.machine.guest().deviceOutput().slice(-600));
      console.log(r.digest(), r.machine.guest().state.eip.toString(16));
      console.log(JSON.stringify(r.facts.all));
      if (stop.reason !== 'stopped' || s.cpu==='trap') console.log(r.machine.events.newest(30, () => true).map((e) => JSON.stringify([e.kind, e.count, e.ip.toString(16), e.cpl, e.fields])).join('\n'));
    }
    expect(1).toBe(1);
  });
});
