import { describe, expect, it } from 'vitest';
import { HostMemory } from '../engine/memory';
import { type GuestTables, pageTableRows, translateQuietly } from './guest-tables';

function tables(memory: HostMemory, cr4 = 0x10): GuestTables {
  return {
    cr0: 0x80000011,
    cr3: 0x1000,
    cr4,
    read32: (gpa) => memory.read32(gpa),
    gpaToHpa: (gpa) => gpa + 0x10000000,
  };
}

describe('looking at guest tables', () => {
  const memory = new HostMemory(1 << 20);
  memory.write32(0x1000 + 4 * 0x100, 0x2007);
  memory.write32(0x2000 + 4 * 5, 0x3061);
  memory.write32(0x1000 + 4 * 0x300, 0x00400083);

  it('combines the rights of both levels and finds the HPA', () => {
    expect(translateQuietly(tables(memory), 0x40005123)).toEqual({
      gpa: 0x3123,
      hpa: 0x10003123,
      writable: false,
      user: false,
      accessed: true,
      dirty: true,
      global: false,
      pageSize: 4096,
    });
  });

  it('follows a 4 MiB page only with CR4.PSE', () => {
    expect(translateQuietly(tables(memory), 0xc0012345)).toMatchObject({ gpa: 0x412345, pageSize: 0x400000 });
    // Without it the entry names a page table, here beyond memory: open bus.
    expect(translateQuietly(tables(memory, 0), 0xc0012345)).toMatchObject({ gpa: 0xfffff345, pageSize: 4096 });
  });

  it('sets nothing', () => {
    const before = memory.readBytes(0, 0x4000);
    translateQuietly(tables(memory), 0x40005000);
    expect(memory.readBytes(0, 0x4000)).toEqual(before);
  });

  it('lists pages in ascending order, at most as many as asked', () => {
    const rows = pageTableRows(tables(memory), 10, () => ({ kind: 'none' }));
    expect(rows.map(({ gva, gpa, size }) => [gva, gpa, size])).toEqual([
      [0x40005000, 0x3000, 4096],
      [0xc0000000, 0x400000, 0x400000],
    ]);
    expect(pageTableRows(tables(memory), 1, () => ({ kind: 'none' }))).toHaveLength(1);
  });

  it('lists nothing and translates one to one while paging is off', () => {
    const off = { ...tables(memory), cr0: 0x11 };
    expect(pageTableRows(off, 10, () => ({ kind: 'none' }))).toEqual([]);
    expect(translateQuietly(off, 0x1234)).toMatchObject({ gpa: 0x1234 });
  });
});
