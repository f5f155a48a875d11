import { describe, expect, it } from 'vitest';
import { hashValue } from './state-hash';

describe('the state hash', () => {
  it('does not depend on the order of fields or on absent ones', () => {
    expect(hashValue({ a: 1, b: [2, 'x'] })).toBe(hashValue({ b: [2, 'x'], a: 1, c: undefined }));
  });

  it.each([
    [{ a: 1 }, { a: 2 }],
    [{ a: 1 }, { b: 1 }],
    [
      [1, 2],
      [2, 1],
    ],
    [new Uint8Array([1, 2, 3]), new Uint8Array([1, 2, 4])],
    [new Uint8Array([0]), new Uint8Array([0, 0])],
    ['1', 1],
    [0.5, 0.25],
    [2 ** 32, 0],
  ])('tells %j from %j', (a, b) => {
    expect(hashValue(a)).not.toBe(hashValue(b));
  });
});
