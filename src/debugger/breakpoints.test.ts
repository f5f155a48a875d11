import { describe, expect, it } from 'vitest';
import { Breakpoints } from './breakpoints';
import { CodeMap, type SectionRecord } from './code-map';
import type { ExpressionScope } from './expressions';

/** A section of one-byte instructions, `lines` of a file, with line 3 being data. */
function section(path: string, address: number, gpa: number, lines: readonly number[]): SectionRecord {
  return {
    name: path,
    address,
    length: lines.length,
    gpa,
    lines: lines.map((line, i) => ({ address: address + i, length: 1, path, line, code: line !== 3 })),
    labels: [{ name: `start_of_${gpa.toString(16)}`, address }],
  };
}

const scope = (eax: number): ExpressionScope => ({
  register: (name) => (name === 'eax' ? eax : undefined),
  label: () => undefined,
  read: () => undefined,
  segmentBase: () => 0,
});

describe('breakpoints', () => {
  const map = new CodeMap([section('/a.asm', 0x1000, 0x1000, [1, 3, 5, 5, 9])]);

  it('binds a line to its first instruction, and says where it moved and why it cannot bind', () => {
    const [exact, moved, none] = new Breakpoints(map).setSource('/a.asm', [{ line: 5 }, { line: 2 }, { line: 10 }]);
    expect(exact).toMatchObject({ verified: true, line: 5, places: [{ address: 0x1002 }] });
    expect(moved).toMatchObject({ verified: true, line: 5, message: 'Line 2 holds no instruction; moved to line 5.' });
    expect(none).toMatchObject({ verified: false, message: expect.stringContaining('line 10') });
    const [foreign] = new Breakpoints(map).setSource('/b.asm', [{ line: 1 }]);
    expect(foreign).toMatchObject({ verified: false, message: expect.stringContaining('no part of the program') });
  });

  it('stops by condition and by hit count', () => {
    const table = new Breakpoints(map);
    table.setSource('/a.asm', [{ line: 1, condition: 'eax == 2', hitCondition: '>=2' }]);
    expect(table.arrive(0x1000, 0x1000, scope(1)).kind).toBe('go');
    expect(table.arrive(0x1000, 0x1000, scope(2)).kind).toBe('go');
    expect(table.arrive(0x1000, 0x1000, scope(2)).kind).toBe('stop');
    expect(table.arrive(0x1002, 0x1002, scope(2))).toEqual({ kind: 'go', log: [] });
  });

  it('prints log points and runs on', () => {
    const table = new Breakpoints(map);
    table.setFunctions([{ name: 'start_of_1000', logMessage: 'eax is {eax}, {[0]}' }]);
    const verdict = table.arrive(0x1000, 0x1000, scope(0x2a));
    expect(verdict).toMatchObject({ kind: 'go', log: [expect.stringMatching(/^eax is 0x2a, \{Memory at 0x0/)] });
  });

  it('refuses broken conditions, hit counts and labels with the reason', () => {
    const table = new Breakpoints(map);
    const [condition, hit] = table.setSource('/a.asm', [
      { line: 1, condition: 'eax ==' },
      { line: 1, hitCondition: 'often' },
    ]);
    expect(condition).toMatchObject({ verified: false, message: expect.stringContaining('expected a register') });
    expect(hit).toMatchObject({ verified: false, message: expect.stringContaining('no hit count') });
    expect(table.setFunctions([{ name: 'nowhere' }])[0]).toMatchObject({ message: 'There is no label "nowhere".' });
    expect(table.addresses().size).toBe(0);
  });

  it('stops when a condition cannot be evaluated', () => {
    const table = new Breakpoints(map);
    table.setSource('/a.asm', [{ line: 1, condition: '[0x5000] == 1' }]);
    expect(table.arrive(0x1000, 0x1000, scope(1))).toMatchObject({
      kind: 'stop',
      problem: expect.stringContaining('0x5000'),
    });
  });

  it('tells apart two programs at one linear address by where they were loaded', () => {
    const both = new CodeMap([section('/a.asm', 0x400000, 0x9000, [1]), section('/b.asm', 0x400000, 0xa000, [1])]);
    const table = new Breakpoints(both);
    table.setSource('/b.asm', [{ line: 1 }]);
    expect(table.arrive(0x400000, 0x9000, scope(0)).kind).toBe('go');
    expect(table.arrive(0x400000, 0xa000, scope(0)).kind).toBe('stop');
    expect(both.lineAt(0x400000, 0xa000)?.path).toBe('/b.asm');
    expect(both.symbolAt(0x400000, 0x9000)).toBe('start_of_9000');
  });
});
