import { describe, expect, it } from 'vitest';
import { Expression, ExpressionError, type ExpressionScope } from './expressions';

const registers: Record<string, number> = { eax: 0x10, esp: 0x1000, cf: 1, eip: 0x7c00 };
const memory = new Map([
  [0x1004, 0x78],
  [0x1005, 0x56],
  [0x1006, 0x34],
  [0x1007, 0x92],
]);
const scope: ExpressionScope = {
  register: (name) => registers[name.toLowerCase()],
  label: (name) => ({ start: 0x100000, 'start.loop': 0x100010 })[name],
  read: (linear, size) => {
    let value = 0;
    for (let i = 0; i < size; i++) {
      const byte = memory.get(linear + i);
      if (byte === undefined) return undefined;
      value += byte * 2 ** (8 * i);
    }
    return value;
  },
  segmentBase: (name) => (name === 'gs' ? 0x1000 : 0),
};
const value = (text: string): number => Expression.parse(text).evaluate(scope);

describe('expressions', () => {
  it.each([
    ['eax', 0x10],
    ['EAX + 0x10', 0x20],
    ['2 + 3 * 4', 14],
    ['(2 + 3) * 4', 20],
    ['10 - 4 - 3', 3],
    ['eax & 0x30 == 0x10', 1],
    ['1 << 31', 0x8000_0000],
    ['-1', 0xffff_ffff],
    ['~0 >> 4', 0x0fff_ffff],
    ['!cf', 0],
    ['0ffh', 255],
    ['0x0010_0000', 0x100000],
    ['0b101', 5],
    ['101b', 5],
    ['17o', 15],
    ['start.loop - start', 0x10],
    ['[esp+4]', 0x9234_5678],
    ['byte [esp + 4]', 0x78],
    ['w@(esp+6)', 0x9234],
    ['b@(0x1004) + 1', 0x79],
    ['dword [gs:4]', 0x9234_5678],
    ['$', 0x7c00],
    ['eax == 16 && cf', 1],
    ['eax < 16 || eax > 0x20', 0],
    ['7 % 4 * 2', 6],
  ])('%s is %i', (text, expected) => {
    expect(value(text)).toBe(expected);
  });

  it.each([
    ['nothing_here', /neither a register, a flag nor a label/],
    ['1 +', /expected a register, a label, a number or "\[" at column 4, found the end/],
    ['1 ? 2', /column 3/],
    ['[esp+4', /expected "\]"/],
    ['[0x5000]', /0x5000 cannot be read/],
    ['1 / 0', /divides by zero/],
    ['0x1ffffffff', /does not fit in 32 bits/],
    ['12z', /is no number/],
    ['eax eax', /expected an operator at column 5/],
    ['', /found the end/],
  ])('%s is refused with its reason', (text, reason) => {
    expect(() => value(text)).toThrow(ExpressionError);
    expect(() => value(text)).toThrow(reason);
  });

  it.each(['(', '[', '-', '1+'])(
    'refuses %s repeated without end, and takes any nesting that it lets through',
    (text) => {
      expect(() => Expression.parse(text.repeat(50_000))).toThrow(/are the most/);
      expect(() => value(text.repeat(1000 / text.length))).toThrow(ExpressionError);
    },
  );

  it('finds what an assignment changes', () => {
    expect(Expression.parse('eax').target(scope)).toEqual({ kind: 'register', name: 'eax' });
    expect(Expression.parse('word [esp+4]').target(scope)).toEqual({ kind: 'memory', address: 0x1004, size: 2 });
    expect(() => Expression.parse('eax + 1').target(scope)).toThrow(/can be set/);
    expect(() => Expression.parse('start').target(scope)).toThrow(/can be set/);
  });
});
