import { describe, expect, it } from 'vitest';
import { PIT_TICK, Pit } from './pit';

class Bench {
  now = 0;
  edges = 0;
  readonly pit = new Pit(
    () => this.now,
    () => this.edges++,
  );

  program(control: number, count: number): void {
    this.pit.write(0x43, control);
    const port = 0x40 + (control >> 6);
    this.pit.write(port, count & 0xff);
    this.pit.write(port, count >> 8);
  }

  go(to: number): void {
    this.now = to;
    this.pit.advance(to);
  }
}

describe('the 8254', () => {
  it('raises its line every count in mode 2', () => {
    const b = new Bench();
    b.now = 100;
    b.program(0x34, 1193);
    expect(b.pit.nextDeadline()).toBe(100 + 1193 * PIT_TICK);
    b.go(100 + 1193 * PIT_TICK - 1);
    expect(b.edges).toBe(0);
    b.go(100 + 1193 * PIT_TICK);
    expect(b.edges).toBe(1);
    expect(b.pit.nextDeadline()).toBe(100 + 2 * 1193 * PIT_TICK);
  });

  it('raises its line once, one tick after the count, in mode 0', () => {
    const b = new Bench();
    b.program(0x30, 10);
    expect(b.pit.nextDeadline()).toBe(11 * PIT_TICK);
    b.go(11 * PIT_TICK);
    expect(b.edges).toBe(1);
    expect(b.pit.nextDeadline()).toBeUndefined();
  });

  it('takes a count of 0 as 65536', () => {
    const b = new Bench();
    b.program(0x36, 0);
    expect(b.pit.nextDeadline()).toBe(65536 * PIT_TICK);
  });

  it('counts down in mode 2, and a latch freezes what is read', () => {
    const b = new Bench();
    b.program(0x34, 1000);
    b.go(10 * PIT_TICK);
    b.pit.write(0x43, 0x00);
    b.go(20 * PIT_TICK);
    expect(b.pit.read(0x40) | (b.pit.read(0x40) << 8)).toBe(990);
    expect(b.pit.read(0x40) | (b.pit.read(0x40) << 8)).toBe(980);
  });

  it('loads a new count at the end of the period', () => {
    const b = new Bench();
    b.program(0x34, 100);
    b.go(50 * PIT_TICK);
    b.pit.write(0x40, 10);
    b.pit.write(0x40, 0);
    expect(b.pit.nextDeadline()).toBe(100 * PIT_TICK);
    b.go(100 * PIT_TICK);
    expect(b.pit.nextDeadline()).toBe(110 * PIT_TICK);
  });

  it('reports output, access and mode by read-back', () => {
    const b = new Bench();
    b.program(0x36, 100);
    b.pit.write(0x43, 0xe2);
    expect(b.pit.read(0x40)).toBe(0x80 | 0x30 | 0x06);
  });

  it('gates counter 2 through port 0x61', () => {
    const b = new Bench();
    b.program(0xb0, 100);
    expect(b.pit.read(0x61) & 0x20).toBe(0);
    b.pit.write(0x61, 1);
    b.go(101 * PIT_TICK);
    expect(b.pit.read(0x61) & 0x21).toBe(0x21);
  });

  it('goes on where it was saved', () => {
    const b = new Bench();
    b.program(0x34, 100);
    b.go(150 * PIT_TICK);
    const copy = new Bench();
    copy.pit.load(b.pit.save());
    expect(copy.pit.nextDeadline()).toBe(200 * PIT_TICK);
  });
});
