import { describe, expect, it } from 'vitest';
import { Pic } from './pic';

function initialized(mask1 = 0, mask2 = 0): { pic: Pic; requests: number[] } {
  const requests: number[] = [];
  const pic = new Pic((vector) => requests.push(vector));
  for (const [port, value] of [
    [0x20, 0x11],
    [0xa0, 0x11],
    [0x21, 0x20],
    [0xa1, 0x28],
    [0x21, 4],
    [0xa1, 2],
    [0x21, 1],
    [0xa1, 1],
    [0x21, mask1],
    [0xa1, mask2],
  ] as const) {
    pic.write(port, value);
  }
  return { pic, requests };
}

describe('the pair of 8259A', () => {
  it('gives the vector of the line above the programmed base', () => {
    const { pic, requests } = initialized();
    pic.setLine(0, true);
    expect(pic.pending()).toBe(true);
    expect(pic.acknowledge()).toBe(0x20);
    expect(requests).toEqual([0x20]);
  });

  it('holds a masked request until it is unmasked', () => {
    const { pic } = initialized(0x01);
    pic.setLine(0, true);
    expect(pic.pending()).toBe(false);
    pic.write(0x21, 0);
    expect(pic.pending()).toBe(true);
  });

  it('shuts out lower lines until the end of interrupt, and lets higher ones through', () => {
    const { pic } = initialized();
    pic.setLine(3, true);
    expect(pic.acknowledge()).toBe(0x23);
    pic.setLine(5, true);
    expect(pic.pending()).toBe(false);
    pic.setLine(1, true);
    expect(pic.acknowledge()).toBe(0x21);
    pic.write(0x20, 0x20);
    pic.write(0x20, 0x20);
    expect(pic.acknowledge()).toBe(0x25);
  });

  it('ends exactly the line that a specific end of interrupt names', () => {
    const { pic } = initialized();
    pic.setLine(3, true);
    pic.acknowledge();
    pic.setLine(1, true);
    pic.acknowledge();
    pic.write(0x20, 0x63);
    pic.write(0x20, 0x0b);
    expect(pic.read(0x20)).toBe(0x02);
  });

  it('asks for a new edge after each acknowledge', () => {
    const { pic } = initialized();
    pic.setLine(4, true);
    pic.acknowledge();
    pic.write(0x20, 0x20);
    expect(pic.pending()).toBe(false);
    pic.setLine(4, false);
    pic.setLine(4, true);
    expect(pic.pending()).toBe(true);
  });

  it('passes the second chip through line 2 and needs an end of interrupt on both', () => {
    const { pic, requests } = initialized();
    pic.setLine(12, true);
    expect(pic.acknowledge()).toBe(0x2c);
    expect(requests).toEqual([0x2c]);
    pic.write(0xa0, 0x0b);
    pic.write(0x20, 0x0b);
    expect([pic.read(0x20), pic.read(0xa0)]).toEqual([0x04, 0x10]);
    pic.write(0xa0, 0x20);
    pic.write(0x20, 0x20);
    expect([pic.read(0x20), pic.read(0xa0)]).toEqual([0, 0]);
  });

  it('gives the spurious line 7, not in service, when the request has vanished', () => {
    const { pic } = initialized();
    pic.setLine(5, true);
    pic.setLine(5, false);
    expect(pic.acknowledge()).toBe(0x27);
    pic.write(0x20, 0x0b);
    expect(pic.read(0x20)).toBe(0);
  });

  it('goes on where it was saved', () => {
    const { pic } = initialized();
    pic.setLine(3, true);
    pic.acknowledge();
    pic.setLine(4, true);
    const copy = new Pic(() => {});
    copy.load(pic.save());
    expect(copy.pending()).toBe(false);
    copy.write(0x20, 0x20);
    expect(copy.acknowledge()).toBe(0x24);
  });
});
