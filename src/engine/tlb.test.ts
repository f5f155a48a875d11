import { describe, expect, it } from 'vitest';
import { Tlb, TLB_GLOBAL, TLB_LARGE, TLB_WRITABLE } from './tlb';

describe('architectural TLB', () => {
  it('replaces the oldest entry and tells its owner', () => {
    const tlb = new Tlb(16);
    const dropped: number[] = [];
    tlb.onDrop = (page) => dropped.push(page);
    for (let page = 0; page < 16; page++) expect(tlb.insert(page << 12, 0, page, 0)).toBe(-1);
    tlb.lookup(0, 0);
    expect(tlb.insert(0x100000, 0, 1, 0)).toBe(0);
    expect(dropped).toEqual([0]);
    expect(tlb.lookup(0, 0)).toBe(-1);
  });

  it('holds a 4 MiB page in one entry', () => {
    const tlb = new Tlb(16);
    tlb.insert(0x00c01234, 0, 0x400, TLB_LARGE | TLB_WRITABLE);
    const slot = tlb.lookup(0x00fff123, 0);
    expect(tlb.hpa(slot, 0x00fff123)).toBe(0x400000 + 0x3ff123);
    let pages = 0;
    tlb.onDrop = (_, count) => {
      pages = count;
    };
    expect(tlb.flushPage(0x00d00000, 0)).toBe(1);
    expect(pages).toBe(1024);
  });

  it('keeps tags apart and global entries when asked', () => {
    const tlb = new Tlb(16);
    tlb.insert(0x1000, 1, 5, TLB_GLOBAL);
    tlb.insert(0x2000, 1, 6, 0);
    tlb.insert(0x2000, 2, 7, 0);
    tlb.flushTag(1, true);
    expect([tlb.lookup(0x1000, 1) >= 0, tlb.lookup(0x2000, 1), tlb.lookup(0x2000, 2) >= 0]).toEqual([true, -1, true]);
    tlb.flushTag(1, false);
    expect(tlb.lookup(0x1000, 1)).toBe(-1);
  });

  it('goes on the same way after save and load', () => {
    const tlb = new Tlb(16);
    for (let page = 0; page < 20; page++) tlb.insert(page << 12, 3, page + 100, TLB_WRITABLE);
    tlb.flushPage(0x7000, 3);
    const copy = new Tlb(16);
    copy.load(tlb.save());
    expect(copy.entries()).toEqual(tlb.entries());
    expect(copy.insert(0x55000, 3, 1, 0)).toBe(tlb.insert(0x55000, 3, 1, 0));
    expect(copy.save()).toEqual(tlb.save());
  });

  it('refuses a capacity out of range with a sentence', () => {
    expect(() => new Tlb(8)).toThrow(/16 to 4096/);
  });
});
