/** Descriptors and gates survive encoding, and mean what the manual says of known ones. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeGate, encodeSegment, isCode, isReadable, isWritableData, parseGate, parseSegment } from './descriptors';

describe('segment descriptors', () => {
  it('reads the flat 4 GiB code and data descriptors', () => {
    const code = parseSegment({ low: 0x0000ffff, high: 0x00cf9a00 });
    expect(code).toEqual({ base: 0, limit: 0xffffffff, attributes: 0xc09a });
    expect([isCode(code.attributes), isReadable(code.attributes), isWritableData(code.attributes)]).toEqual([
      true,
      true,
      false,
    ]);
    const data = parseSegment({ low: 0x0000ffff, high: 0x00cf9200 });
    expect([isCode(data.attributes), isReadable(data.attributes), isWritableData(data.attributes)]).toEqual([
      false,
      true,
      true,
    ]);
  });

  it('keeps base, byte limit and attributes through encoding', () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.nat(0xfffff), fc.nat(0xff), fc.nat(0xf), (base, units, low, high) => {
        const attributes = low | (high << 12);
        const limit = (attributes & 0x8000) !== 0 ? ((units << 12) | 0xfff) >>> 0 : units;
        const segment = { base, limit, attributes };
        expect(parseSegment(encodeSegment(segment))).toEqual(segment);
      }),
    );
  });
});

describe('gates', () => {
  it('reads an interrupt gate and keeps every field through encoding', () => {
    const gate = { selector: 8, offset: 0x12345678, type: 14, dpl: 3, present: true, parameters: 0 };
    expect(encodeGate(gate)).toEqual({ low: 0x00085678, high: 0x1234ee00 });
    expect(parseGate(encodeGate(gate))).toEqual(gate);
  });

  it('takes 16 bits of offset from a 16-bit gate', () => {
    expect(parseGate({ low: 0x00085678, high: 0x1234_8600 }).offset).toBe(0x5678);
  });
});
