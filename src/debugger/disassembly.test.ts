import { describe, expect, it } from 'vitest';
import { CodeMap, type SectionRecord } from './code-map';
import { type CodeSource, disassemble } from './disassembly';

/** mov eax, 0x12345678 / db 0xc7, 0x05 / nop / ret at 0x1000. */
const CODE = Uint8Array.of(0xb8, 0x78, 0x56, 0x34, 0x12, 0xc7, 0x05, 0x90, 0xc3);
const BASE = 0x1000;

function mapped(): SectionRecord {
  const line = (address: number, length: number, number: number, code: boolean) => ({
    address,
    length,
    path: '/k.asm',
    line: number,
    code,
  });
  return {
    name: '.text',
    address: BASE,
    length: CODE.length,
    gpa: BASE,
    lines: [line(0x1000, 5, 1, true), line(0x1005, 2, 2, false), line(0x1007, 1, 3, true), line(0x1008, 1, 4, true)],
    labels: [{ name: 'start', address: BASE }],
  };
}

function source(sections: SectionRecord[], code = CODE, base = BASE): CodeSource {
  return {
    bitness: 32,
    codeMap: new CodeMap(sections),
    gpa: (linear) => linear,
    read: (linear, n) => {
      const from = linear - base;
      return from < 0 || from >= code.length ? new Uint8Array(0) : code.slice(from, from + n);
    },
  };
}

describe('disassembly', () => {
  it('goes forwards through code and data by the line map', () => {
    const rows = disassemble(source([mapped()]), BASE, 0, 4);
    expect(rows.map((r) => r.text)).toEqual(['mov eax, 0x12345678', 'db 0xc7, 0x05', 'nop', 'ret']);
    expect(rows.map((r) => r.source?.line)).toEqual([1, 2, 3, 4]);
    expect(rows.map((r) => r.symbol)).toEqual(['start', 'start+0x5', 'start+0x7', 'start+0x8']);
  });

  it('goes backwards by the line map, and pads where nothing is mapped', () => {
    const rows = disassemble(source([mapped()]), 0x1008, -5, 7);
    expect(rows).toHaveLength(7);
    expect(rows.map((r) => r.address)).toEqual([0xffe, 0xfff, 0x1000, 0x1005, 0x1007, 0x1008, 0x1009]);
    expect(rows[0]?.valid).toBe(false);
    expect(rows[5]?.text).toBe('ret');
    expect(rows[6]?.valid).toBe(false);
  });

  it('keeps the instruction pointer on a row when it stands inside an instruction', () => {
    const rows = disassemble(source([]), BASE, 0, 6, [0x1002]);
    expect(rows.map((r) => r.address)).toContain(0x1002);
    expect(rows).toHaveLength(6);
  });

  it('pads before address 0 and after the last address', () => {
    const low = disassemble(source([], CODE, 0), 0, -3, 4);
    expect(low.slice(0, 3).every((r) => r.address === undefined && !r.valid)).toBe(true);
    expect(low[3]?.address).toBe(0);
    const high = disassemble(source([]), 0xffff_ffff, 0, 3);
    expect(high.map((r) => r.address)).toEqual([0xffff_ffff, undefined, undefined]);
  });

  it('gives exactly the rows asked for, in rising order, from every start (random bytes)', () => {
    let seed = 1;
    const code = Uint8Array.from({ length: 200 }, () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 24);
    for (let ip = 0; ip < 200; ip += 7) {
      for (const offset of [-60, -5, -1, 0, 3]) {
        const rows = disassemble(source([], code, 0x2000), 0x2000 + ip, offset, 40, [0x2000 + ip]);
        expect(rows).toHaveLength(40);
        const addresses = rows.map((r) => r.address ?? -1);
        for (let i = 1; i < addresses.length; i++) expect(addresses[i]).toBeGreaterThan(addresses[i - 1] ?? -2);
        if (offset <= 0 && offset > -40) expect(rows[-offset]?.address).toBe(0x2000 + ip);
      }
    }
  });
});
