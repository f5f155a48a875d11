/** The 32-bit page walk: rights, error codes, accessed and dirty bits. */
import { describe, expect, it } from 'vitest';
import { GuestFault } from '../../x86/exceptions';
import { CR0_PE, CR0_PG, CR0_WP, CR4_PGE, CR4_PSE } from '../../x86/paging-bits';
import { type MemoryAccess, walk } from './walker';

const ROOT = 0x1000;
const TABLE = 0x2000;
const LINEAR = 0x0040_3004;
const PDE = ROOT + 4;
const PTE = TABLE + 3 * 4;
const PAGING = (CR0_PE | CR0_PG) >>> 0;

function tables(pde: number, pte: number) {
  const words = new Map<number, number>([
    [PDE, pde],
    [PTE, pte],
  ]);
  const trace: [level: number, address: number, value: number][] = [];
  return {
    words,
    trace,
    walk: (access: MemoryAccess, user: boolean, cr0 = PAGING, cr4 = CR4_PSE) =>
      walk(
        { read32: (a) => words.get(a) ?? 0, write32: (a, v) => void words.set(a, v) },
        { cr0, cr3: ROOT | 0x18, cr4 },
        LINEAR,
        access,
        user,
        (level, address, value) => trace.push([level, address, value]),
      ),
    /** The page fault's error code. */
    fault(access: MemoryAccess, user: boolean, cr0 = PAGING, cr4 = CR4_PSE): number | undefined {
      const before = [...words];
      try {
        this.walk(access, user, cr0, cr4);
      } catch (fault) {
        expect(fault).toBeInstanceOf(GuestFault);
        expect([...words]).toEqual(before);
        if (fault instanceof GuestFault && fault.vector === 14 && fault.linear === LINEAR) return fault.errorCode;
      }
      return undefined;
    },
  };
}

describe('page walk', () => {
  it('is the identity while paging is off', () => {
    expect(tables(0, 0).walk('write', true, CR0_PE)).toMatchObject({ pa: LINEAR, writable: true, user: true });
  });

  it('follows directory and table, sets A in both and D for a write only', () => {
    const t = tables(TABLE | 7, 0x5000 | 7);
    expect(t.walk('read', true)).toEqual({
      pa: 0x5004,
      writable: true,
      user: true,
      dirty: false,
      global: false,
      large: false,
    });
    expect([t.words.get(PDE), t.words.get(PTE)]).toEqual([TABLE | 0x27, 0x5000 | 0x27]);
    expect(t.walk('write', true).dirty).toBe(true);
    expect([t.words.get(PDE), t.words.get(PTE)]).toEqual([TABLE | 0x27, 0x5000 | 0x67]);
    expect(t.trace.slice(0, 2)).toEqual([
      [2, PDE, TABLE | 7],
      [1, PTE, 0x5000 | 7],
    ]);
  });

  it.each([
    ['directory entry absent', 0, 7, 'read', false, 0],
    ['table entry absent, user write', TABLE | 7, 0, 'write', true, 6],
    ['user access to a supervisor page', TABLE | 7, 0x5003, 'read', true, 5],
    ['supervisor bit in the directory', TABLE | 3, 0x5007, 'fetch', true, 5],
    ['user write to a read-only page', TABLE | 7, 0x5005, 'write', true, 7],
    ['read-only bit in the directory', TABLE | 5, 0x5007, 'write', true, 7],
    ['reserved bits of a 4 MiB entry', 0x0080_2087, 0, 'write', false, 11],
  ] as const)('faults: %s', (_, pde, pte, access, user, code) => {
    expect(tables(pde, pte).fault(access, user)).toBe(code);
  });

  it('lets the supervisor write to read-only pages unless WP is set', () => {
    const t = tables(TABLE | 5, 0x5005);
    expect(t.fault('write', false, (PAGING | CR0_WP) >>> 0)).toBe(3);
    expect(t.walk('write', false)).toMatchObject({ pa: 0x5004, writable: false, dirty: true });
  });

  it('maps 4 MiB pages with PSE and takes PS for nothing without it', () => {
    const t = tables(0x00c0_0087, 0);
    expect(t.walk('write', true)).toEqual({
      pa: 0x00c0_3004,
      writable: true,
      user: true,
      dirty: true,
      global: false,
      large: true,
    });
    expect(t.words.get(PDE)).toBe(0x00c0_00e7);
    const without = tables(TABLE | 0x87, 0x5007);
    expect(without.walk('read', true, PAGING, 0)).toMatchObject({ pa: 0x5004, large: false });
  });

  it('takes G from the leaf, with PGE only', () => {
    expect(tables(TABLE | 7, 0x5107).walk('read', true, PAGING, CR4_PGE).global).toBe(true);
    expect(tables(TABLE | 7, 0x5107).walk('read', true, PAGING, 0).global).toBe(false);
    expect(tables(TABLE | 0x107, 0x5007).walk('read', true, PAGING, CR4_PGE).global).toBe(false);
  });

  it('keeps both flags of an entry that is directory and table entry at once', () => {
    const words = new Map([[ROOT + 0xffc, ROOT | 3]]);
    const space = { read32: (a: number) => words.get(a) ?? 0, write32: (a: number, v: number) => void words.set(a, v) };
    const found = walk(space, { cr0: PAGING, cr3: ROOT, cr4: 0 }, 0xffff_f010, 'write', false);
    expect(found).toMatchObject({ pa: ROOT + 0x10, dirty: true });
    expect(words.get(ROOT + 0xffc)).toBe(ROOT | 0x63);
  });
});
