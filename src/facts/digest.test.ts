import { describe, expect, it } from 'vitest';
import { HostMemory } from '../engine/memory';
import { Clock } from '../machine/clock';
import { NativeView } from '../machine/native-view';
import { Platform } from '../machine/platform';
import { resetState } from '../machine/reset';
import { type Digest, digestOf } from './digest';
import { Facts } from './facts';

class Bench {
  readonly memory = new HostMemory(1 << 20);
  readonly state = this.memory.state();
  readonly platform = new Platform({ now: () => 0, output: () => {}, requested: () => {}, exit: () => {} });
  readonly facts = new Facts();
  readonly view = new NativeView(this.state, this.platform, this.memory, new Clock());

  constructor() {
    resetState(this.state, { entry: 0x1000, multiboot: true });
  }

  digest(): Digest {
    return digestOf(this.view, this.facts.all);
  }
}

describe('digest.machine', () => {
  const plain = new Bench().digest();

  it.each<[string, keyof Digest, (bench: Bench) => void]>([
    ['a general register', 'registers', (b) => b.state.setGpr(3, 1)],
    ['a flag', 'registers', (b) => (b.state.eflags |= 1)],
    ['a segment register', 'registers', (b) => b.state.setSegment(4, 0, 1 << 16, 0, 0)],
    ['a byte of memory', 'memory', (b) => b.memory.write8(0x8000, 1)],
    ['the same byte elsewhere', 'memory', (b) => b.memory.write8(0x9000, 1)],
    ['a byte of output', 'output', (b) => b.platform.write(0x3f8, 1, 65)],
  ])('differs by %s, and says in which part', (_what, part, change) => {
    const bench = new Bench();
    change(bench);
    const digest = bench.digest();
    expect(digest.machine).not.toBe(plain.machine);
    const parts = ['registers', 'memory', 'output', 'faults'] as const;
    expect(parts.filter((name) => digest[name] !== plain[name])).toEqual([part]);
  });

  it('does not see the resume flag, nor the hidden part of an unusable segment', () => {
    const bench = new Bench();
    bench.state.eflags |= 1 << 16;
    expect(bench.digest()).toEqual(plain);
    bench.state.setSegment(4, 0, 1 << 16, 0, 0);
    const unusable = bench.digest();
    bench.state.setSegment(4, 0, 1 << 16, 0x1234, 5);
    expect(bench.digest()).toEqual(unusable);
  });
});
