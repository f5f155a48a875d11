import { describe, expect, it } from 'vitest';
import { EVENT_KINDS } from './event-kinds';
import { EVENT_WORDS, type EventContext, EventStream } from './events';

const context = (): EventContext => ({ vm: 1, vcpu: 2, cpl: 3, step: 0, count: 5, ip: 0x1000, cycle: 7 });

describe('the event stream', () => {
  it('stores recorded kinds with their position and fields, and only folds counted ones', () => {
    const at = context();
    const stream = new EventStream(at);
    const folded: number[] = [];
    stream.onEvent((words, offset) => folded.push((words[offset] ?? 0) & 0xff));
    at.count = 2 ** 33 + 4;
    stream.emit('ring', 3, 0, 2, 0x80);
    stream.emit('walkRef', 0, 1, 0x2000, 0x3007);
    expect(stream.emitted).toBe(2);
    expect(stream.endIndex).toBe(1);
    expect(folded.map((k) => EVENT_KINDS[k]?.name)).toEqual(['ring', 'walkRef']);
    const event = stream.at(0);
    expect(event).toMatchObject({ kind: 'ring', vm: 1, vcpu: 2, cpl: 3, count: 2 ** 33 + 4, ip: 0x1000, cycle: 7 });
    expect(event?.fields).toEqual({ from: 3, to: 0, cause: 2, vector: 0x80 });
  });

  it('hashes the same whatever is retained, and differently when an event differs', () => {
    const one = new EventStream(context());
    const two = new EventStream(context());
    const other = new EventStream(context());
    two.retain('walkRef', 'recorded');
    two.retain('ring', 'counted');
    for (const stream of [one, two]) {
      stream.emit('ring', 3, 0, 2, 0x80);
      stream.emit('walkRef', 0, 1, 0x2000, 0x3007);
    }
    other.emit('ring', 3, 0, 2, 0x80);
    other.emit('walkRef', 0, 1, 0x2000, 0x3006);
    expect(two.hash).toBe(one.hash);
    expect(other.hash).not.toBe(one.hash);
  });

  it('loads to the very state that was saved, and goes on alike', () => {
    const stream = new EventStream(context());
    for (let i = 0; i < 10_000; i++) stream.emit('exit', 28, i);
    const saved = stream.save();
    const run = (into: EventStream): string => {
      for (let i = 0; i < 9_000; i++) into.emit('entry', i);
      return `${into.hash} ${into.endIndex} ${into.at(15_000)?.kind} ${into.at(9_999)?.fields['qualification']}`;
    };
    const first = run(stream);
    stream.load(saved);
    expect(stream.endIndex).toBe(10_000);
    expect(run(stream)).toBe(first);
    const fresh = new EventStream(context());
    fresh.load(saved);
    expect(run(fresh)).toBe(first);
  });

  it('drops the oldest chunk beyond its limit and keeps indices', () => {
    const stream = new EventStream(context(), 4096);
    for (let i = 0; i < 20_000; i++) stream.emit('entry', i);
    expect(stream.firstIndex).toBeGreaterThan(0);
    expect(stream.at(stream.firstIndex - 1)).toBeUndefined();
    expect(stream.at(19_999)?.fields['injected']).toBe(19_999);
    expect(stream.newest(2).map((e) => e.index)).toEqual([19_999, 19_998]);
  });

  it('has at most eight payload words in every kind', () => {
    for (const kind of EVENT_KINDS) expect(kind.fields.length).toBeLessThanOrEqual(EVENT_WORDS - 8);
  });
});
