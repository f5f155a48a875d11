/** Random guests must end in the same state, at the same time, under every technique. `RINGSIDE_SOAK=1` runs many more. */
import { describe, expect, it } from 'vitest';
import { type GuestProgram, NATIVE, type Setting, start, VIRTUAL } from '../../src/vmm/guest.test-support';
import { randomGuest } from './random-guest';

const GUESTS = process.env.RINGSIDE_SOAK === '1' ? 2000 : 40;
const FIRST = Number(process.env.RINGSIDE_SEED ?? 1);
/** Deliveries that each guest must have had: page faults, system calls. A guest in which nothing happens proves nothing. */
const WANTED = [
  [14, 1],
  [0x80, 1],
] as const;
/** Most of these guests end by themselves before; some lose themselves in faults, in the same way everywhere. */
const LIMIT = 40_000;

function ended(setting: Setting, guest: GuestProgram, count = LIMIT) {
  const run = start({ ...setting, memoryMiB: 2 }, guest);
  const stop = run.run(count);
  // How long a guest was watched that nothing wakes is no part of its state.
  const time = stop.reason === 'waiting' ? 'asleep' : run.machine.clock.save();
  return { stop, time, digest: run.digest(), run };
}

/** The first instruction count at which the states differ, for the message of a failure. */
function firstDifference(setting: Setting, guest: GuestProgram, end: number): string {
  const same = (count: number): boolean =>
    ended(setting, guest, count).digest.machine === ended(NATIVE, guest, count).digest.machine;
  let [low, high] = [0, end];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (same(middle)) low = middle;
    else high = middle;
  }
  const { eip } = ended(NATIVE, guest, low).run.machine.guest().state;
  return `first differs after instruction ${high}, at 0x${eip.toString(16)}`;
}

describe('random guests with rings, faults, interrupts and table edits', () => {
  it.each(Array.from({ length: GUESTS }, (_, i) => FIRST + i))('end alike under every technique (seed %i)', (seed) => {
    const guest = randomGuest(seed);
    const { run: bare, ...native } = ended(NATIVE, guest);
    const { deliveriesByVector } = bare.facts.all;
    for (const [vector, least] of WANTED) expect(deliveriesByVector[vector] ?? 0).toBeGreaterThanOrEqual(least);
    for (const setting of VIRTUAL) {
      const { run, ...end } = ended(setting, guest);
      const where =
        end.digest.machine === native.digest.machine
          ? ''
          : firstDifference(setting, guest, run.machine.clock.instructions);
      expect({ ...setting, where, ...end }).toEqual({ ...setting, where: '', ...native });
    }
  });
});
