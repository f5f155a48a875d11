import { describe, expect, it } from 'vitest';
import { FaultClass, RingCause, ShadowOp } from '../machine/event-kinds';
import { type EventContext, EventStream } from '../machine/events';
import { comparisonText, compareRuns } from './compare';
import { Facts } from './facts';
import { factsReport, factsText, grouped } from './report';

function bench(): { context: EventContext; events: EventStream; facts: Facts } {
  const context: EventContext = { vm: 0, vcpu: 0, cpl: 0, step: 0, count: 0, ip: 0, cycle: 0 };
  const events = new EventStream(context);
  const facts = new Facts();
  facts.follow(events);
  return { context, events, facts };
}

const CYCLES = { guest: 100, vmm: 20, walk: 0, worldSwitch: 30, device: 0 };
const RUN = { instructions: 1000, idle: 0, emulated: 25, cycles: CYCLES };

describe('facts', () => {
  it('count events by kind and by cause', () => {
    const { events, facts } = bench();
    events.emit('ring', 3, 0, RingCause.software, 0x80);
    events.emit('ring', 0, 3, RingCause.iret);
    events.emit('fault', FaultClass.hidden, 0x1000);
    events.emit('shadow', ShadowOp.fill, 0x1000);
    events.emit('walkRef', 0, 2);
    events.emit('walkRef', 1, 4);
    expect(facts.count('ring')).toBe(2);
    expect(facts.all.rings).toEqual({ 12: 1, 3: 1 });
    expect(facts.all.faultsByClass).toEqual({ [FaultClass.hidden]: 1 });
    expect(facts.all.walkByDimension).toEqual({ 0: 1, 1: 1 });
  });

  it('give an exit the cycles up to the next entry', () => {
    const { context, events, facts } = bench();
    context.cycle = 1000;
    events.emit('exit', 30);
    context.cycle = 1700;
    events.emit('entry');
    events.emit('exit', 30);
    context.cycle = 1800;
    events.emit('entry');
    expect(facts.all.exitCycles).toEqual({ 30: 800 });
    expect(facts.all.exitsByReason).toEqual({ 30: 2 });
  });

  it('do not depend on what is stored of the events', () => {
    const [all, none] = [bench(), bench()];
    all.events.retain('deliver', 'recorded');
    none.events.retain('deliver', 'counted');
    for (const { context, events } of [all, none]) {
      context.count = 5;
      events.emit('deliver', 14, 1, 4, 0x4000);
    }
    expect(all.facts.save()).toEqual(none.facts.save());
  });

  it('tell deliveries apart by place, vector, error code and address', () => {
    const hashOf = (count: number, ...delivery: [number, number, number, number]): number => {
      const { context, events, facts } = bench();
      context.count = count;
      events.emit('deliver', ...delivery);
      return facts.all.deliveryHash;
    };
    const hashes = [hashOf(1, 14, 1, 0, 0), hashOf(2, 14, 1, 0, 0), hashOf(1, 13, 1, 0, 0), hashOf(1, 14, 1, 2, 0)];
    expect(new Set([...hashes, hashOf(1, 14, 1, 0, 4096)]).size).toBe(5);
  });

  it('go on from where they were saved, and the save stays as it was', () => {
    const { events, facts } = bench();
    events.emit('pio', 1, 0x3f8);
    const saved = facts.save();
    events.emit('pio', 1, 0x3f8);
    expect(saved.portWrites).toEqual({ 0x3f8: 1 });
    facts.load(saved);
    events.emit('pio', 1, 0xf4);
    expect(facts.all.portWrites).toEqual({ 0x3f8: 1, 0xf4: 1 });
    expect(saved.portWrites).toEqual({ 0x3f8: 1 });
  });

  it('refuse a save of another version', () => {
    expect(() => new Facts().load({ version: 2 })).toThrow(/another version/);
  });
});

describe('the report of facts', () => {
  it('names what is counted, in the field’s words', () => {
    const { events, facts } = bench();
    events.emit('exit', 48);
    events.emit('deliver', 14);
    events.emit('ring', 3, 0, RingCause.exception);
    const report = factsReport(facts.all, RUN);
    expect(report.exits).toEqual({ 'EPT violation': 1, total: 1 });
    expect(report.deliveries).toEqual({ '0xe #PF': 1 });
    expect(report.rings).toEqual({ '3 to 0': 1, total: 1 });
    expect(report.run?.directPercent).toBe(97.5);
    expect(report.cycles?.total).toBe(150);
    expect(factsText(report)).toMatch(/^exits\n {2}EPT violation +1$/m);
  });

  it('groups digits', () => {
    expect([grouped(1234567), grouped(999), grouped(99.83)]).toEqual(['1,234,567', '999', '99.83']);
  });
});

describe('runs side by side', () => {
  it('have a row for every fact that one of them has, and mark those that differ', () => {
    const [a, b] = [bench(), bench()];
    a.events.emit('exit', 30);
    b.events.emit('exit', 12);
    const runs = [a, b].map(({ facts }, i) => ({
      title: `run ${i}`,
      digest: 'd',
      report: factsReport(facts.all, RUN),
    }));
    const exits = compareRuns(runs).filter((row) => row.group === 'exits');
    expect(exits).toEqual([
      { group: 'exits', name: 'I/O instruction', values: [1, 0], differs: true },
      { group: 'exits', name: 'total', values: [1, 1], differs: false },
      { group: 'exits', name: 'HLT', values: [0, 1], differs: true },
    ]);
    expect(comparisonText(runs)).toContain('* HLT');
  });
});
