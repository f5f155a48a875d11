import { describe, expect, it } from 'vitest';
import { Checkpoints } from './checkpoints';

describe('the checkpoint ring', () => {
  it('finds the newest at or before a count', () => {
    const ring = new Checkpoints<string>(100);
    for (const count of [0, 100, 200]) ring.add(count, `at ${count}`);
    expect(ring.atOrBefore(199)?.state).toBe('at 100');
    expect(ring.atOrBefore(200)?.state).toBe('at 200');
    expect(ring.nextDue(250)).toBe(300);
  });

  it('stays bounded, keeps the first, and is denser near the present', () => {
    const ring = new Checkpoints<number>(10, 16);
    for (let count = 0; count <= 10_000; count += 10) ring.add(count, count);
    const counts = ring.all.map((c) => c.count);
    expect(counts).toHaveLength(16);
    expect(counts[0]).toBe(0);
    expect(counts[15]).toBe(10_000);
    const half = counts.filter((count) => count > 5_000).length;
    expect(half).toBeGreaterThan(7);
  });

  it('forgets a future that has changed', () => {
    const ring = new Checkpoints<number>(10);
    for (const count of [0, 10, 20]) ring.add(count, count);
    ring.dropAfter(15);
    expect(ring.all.map((c) => c.count)).toEqual([0, 10]);
  });
});
