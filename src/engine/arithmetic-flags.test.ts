/**
 * Results and flags of arithmetic against their definitions (Intel SDM 1, "EFLAGS Register"), computed here with wide
 * numbers: needs nothing but Node, unlike the comparison with the host's processor.
 */
import { describe, expect, it } from 'vitest';
import { FLAG_AF, FLAG_CF, FLAG_OF, FLAG_PF, FLAG_SF, FLAG_ZF } from '../x86/flags';
import { BenchMachine } from './bench-machine.test-support';

type Bits = 8 | 16 | 32;
const ALL = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF;

interface Outcome {
  readonly result: number;
  readonly carry: boolean;
  readonly overflow: boolean;
  /** Undefined where the manual leaves AF open. */
  readonly adjust: boolean | undefined;
}

const signed = (value: number, bits: Bits): number => (value >= 2 ** (bits - 1) ? value - 2 ** bits : value);
const wrap = (value: number, bits: Bits): number => ((value % 2 ** bits) + 2 ** bits) % 2 ** bits;

/** A sum of two operands and a carry. */
function sum(a: number, b: number, carry: number, bits: Bits): Outcome {
  const exact = signed(a, bits) + signed(b, bits) + carry;
  const result = wrap(a + b + carry, bits);
  return {
    result,
    carry: a + b + carry >= 2 ** bits,
    overflow: exact !== signed(result, bits),
    adjust: (a % 16) + (b % 16) + carry > 15,
  };
}

function difference(a: number, b: number, borrow: number, bits: Bits): Outcome {
  const exact = signed(a, bits) - signed(b, bits) - borrow;
  const result = wrap(a - b - borrow, bits);
  return {
    result,
    carry: a < b + borrow,
    overflow: exact !== signed(result, bits),
    adjust: (a % 16) - (b % 16) - borrow < 0,
  };
}

const logic = (result: number, bits: Bits): Outcome => ({
  result: wrap(result, bits),
  carry: false,
  overflow: false,
  adjust: undefined,
});

interface Operation {
  readonly name: string;
  /** Opcode of the 8-bit form; the 16- and 32-bit form is the next one. Destination AL/AX/EAX, source CL/CX/ECX. */
  readonly opcode: number;
  readonly extension: number;
  outcome(a: number, b: number, carry: number, bits: Bits): Outcome;
}

const twoOperands = (name: string, number: number, outcome: Operation['outcome']): Operation => ({
  name,
  opcode: number * 8,
  extension: 1,
  outcome,
});
/** INC and DEC leave CF as it was. */
const keepsCarry = (outcome: Outcome, carry: number): Outcome => ({ ...outcome, carry: carry === 1 });

const OPERATIONS: readonly Operation[] = [
  twoOperands('add', 0, (a, b, _, bits) => sum(a, b, 0, bits)),
  twoOperands('or', 1, (a, b, _, bits) => logic(a | b, bits)),
  twoOperands('adc', 2, sum),
  twoOperands('sbb', 3, difference),
  twoOperands('and', 4, (a, b, _, bits) => logic(a & b, bits)),
  twoOperands('sub', 5, (a, b, _, bits) => difference(a, b, 0, bits)),
  twoOperands('xor', 6, (a, b, _, bits) => logic(a ^ b, bits)),
  twoOperands('cmp', 7, (a, b, _, bits) => ({ ...difference(a, b, 0, bits), result: a })),
  { name: 'inc', opcode: 0xfe, extension: 0, outcome: (a, _, carry, bits) => keepsCarry(sum(a, 1, 0, bits), carry) },
  {
    name: 'dec',
    opcode: 0xfe,
    extension: 1,
    outcome: (a, _, carry, bits) => keepsCarry(difference(a, 1, 0, bits), carry),
  },
  { name: 'neg', opcode: 0xf6, extension: 3, outcome: (a, _b, _c, bits) => difference(0, a, 0, bits) },
];

/** CMP compares, so its result is not what the flags are of. */
function flagsOf(operation: Operation, a: number, b: number, outcome: Outcome, bits: Bits): number {
  const shown = operation.name === 'cmp' ? wrap(a - b, bits) : outcome.result;
  const parity = [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => ((shown >>> bit) & 1) === 1).length % 2 === 0;
  return (
    (outcome.carry ? FLAG_CF : 0) |
    (outcome.overflow ? FLAG_OF : 0) |
    (outcome.adjust === true ? FLAG_AF : 0) |
    (shown === 0 ? FLAG_ZF : 0) |
    (signed(shown, bits) < 0 ? FLAG_SF : 0) |
    (parity ? FLAG_PF : 0)
  );
}

function values(bits: Bits): number[] {
  const top = 2 ** (bits - 1);
  return [0, 1, 2, 7, 8, 0xf, 0x10, 0x55, 0x7f, top - 1, top, top + 1, 2 * top - 0x10, 2 * top - 1];
}

const MODRM_REGISTERS = 0xc0;

describe.each([{ evaluatorOnly: true }, { evaluatorOnly: false }])('arithmetic by definition, %o', (options) => {
  it.each(OPERATIONS.flatMap((operation) => ([8, 16, 32] as const).map((bits) => ({ ...operation, bits }))))(
    '$name $bits',
    (operation) => {
      const { bits, opcode, extension } = operation;
      const m = new BenchMachine(1 << 16, options);
      const code = [opcode + (bits === 8 ? 0 : 1), MODRM_REGISTERS | (extension << 3)];
      m.place(0x1000, bits === 16 ? [0x66, ...code] : code);
      const above = bits === 32 ? 0 : (0xa5a5a5a5 >>> bits) * 2 ** bits;
      for (const a of values(bits)) {
        for (const b of values(bits)) {
          for (const carry of [0, 1]) {
            m.state.eip = 0x1000;
            m.state.setGpr(0, above + a);
            m.state.setGpr(1, above + b);
            m.state.eflags = 2 | carry;
            m.engine.run(1);
            const outcome = operation.outcome(a, b, carry, bits);
            const defined = outcome.adjust === undefined ? ALL & ~FLAG_AF : ALL;
            const got = { a, b, carry, result: m.state.gpr(0), flags: m.state.eflags & defined };
            expect(got).toEqual({
              ...{ a, b, carry, result: above + outcome.result },
              flags: flagsOf(operation, a, b, outcome, bits) & defined,
            });
          }
        }
      }
    },
  );
});

interface Shifted {
  readonly value: number;
  readonly carry: number;
}

/** One position at a time, as the manual's pseudocode has it; the number is the extension in the opcode. */
const SHIFTS: readonly { name: string; extension: number; once(value: number, carry: number, bits: Bits): Shifted }[] =
  [
    { name: 'rol', extension: 0, once: (v, _, bits) => turned(v, top(v, bits), bits) },
    { name: 'ror', extension: 1, once: (v, _, bits) => ({ value: half(v) + (v % 2) * 2 ** (bits - 1), carry: v % 2 }) },
    { name: 'rcl', extension: 2, once: (v, c, bits) => ({ ...turned(v, c, bits), carry: top(v, bits) }) },
    { name: 'rcr', extension: 3, once: (v, c, bits) => ({ value: half(v) + c * 2 ** (bits - 1), carry: v % 2 }) },
    { name: 'shl', extension: 4, once: (v, _, bits) => ({ ...turned(v, 0, bits), carry: top(v, bits) }) },
    { name: 'shr', extension: 5, once: (v) => ({ value: half(v), carry: v % 2 }) },
    {
      name: 'sar',
      extension: 7,
      once: (v, _, bits) => ({ value: half(v) + top(v, bits) * 2 ** (bits - 1), carry: v % 2 }),
    },
  ];
const FIRST_SHIFT = 4;
const half = (value: number): number => Math.floor(value / 2);
const top = (value: number, bits: Bits): number => (value >= 2 ** (bits - 1) ? 1 : 0);
/** Left by one, with a bit coming in from the right. */
const turned = (value: number, low: number, bits: Bits): Shifted => ({
  value: wrap(value * 2 + low, bits),
  carry: low,
});

describe.each([{ evaluatorOnly: true }, { evaluatorOnly: false }])(
  'shifts and rotates by definition, %o',
  (options) => {
    it.each(SHIFTS.flatMap((shift) => ([8, 16, 32] as const).map((bits) => ({ ...shift, bits }))))(
      '$name $bits',
      ({ extension, once, bits }) => {
        const m = new BenchMachine(1 << 16, options);
        const code = [0xd2 + (bits === 8 ? 0 : 1), MODRM_REGISTERS | (extension << 3)];
        m.place(0x1000, bits === 16 ? [0x66, ...code] : code);
        const shifts = extension >= FIRST_SHIFT;
        for (const value of values(bits)) {
          // Shifts by more than the width leave CF open; every count is taken modulo 32.
          for (let count = 0; count <= (shifts ? bits : 33); count++) {
            for (const carry of [0, 1]) {
              m.state.eip = 0x1000;
              m.state.setGpr(0, value);
              m.state.setGpr(1, count);
              m.state.eflags = 2 | carry;
              m.engine.run(1);
              let at: Shifted = { value, carry };
              for (let i = 0; i < count % 32; i++) at = once(at.value, at.carry, bits);
              const real = count % 32;
              // Rotates leave the other flags alone; OF is defined for a count of one.
              const mask = FLAG_CF | (real === 1 ? FLAG_OF : 0) | (shifts && real > 0 ? FLAG_ZF | FLAG_SF : 0);
              const left = extension % 2 === 0;
              const tops = [top(value, bits), top(at.value, bits)];
              // To the left: the sign changed by comparison with CF; to the right: the sign bit changed (never for SAR).
              const overflow = left ? tops[1] !== at.carry : tops[0] !== tops[1];
              const flags =
                (at.carry === 1 ? FLAG_CF : 0) |
                (overflow ? FLAG_OF : 0) |
                (at.value === 0 ? FLAG_ZF : 0) |
                (tops[1] === 1 ? FLAG_SF : 0);
              const got = { value, count, carry, result: m.state.gpr(0), flags: m.state.eflags & mask };
              expect(got).toEqual({ value, count, carry, result: at.value, flags: flags & mask });
            }
          }
        }
      },
    );
  },
);
