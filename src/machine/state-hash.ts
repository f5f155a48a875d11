/**
 * A hash over plain state, equal exactly when the states are: used to prove that a replay ends where the run did.
 * Records are taken in the order of their sorted names, so that the order of assignments does not matter.
 */

/** Two 32-bit lanes of a multiply-xor hash; not cryptographic. */
export class StateHasher {
  private low = 0x811c9dc5 | 0;
  private high = 0x9e3779b9 | 0;

  word(value: number): this {
    this.low = Math.imul(this.low ^ value, 0x01000193);
    this.low ^= this.low >>> 15;
    this.high = Math.imul((this.high << 5) | (this.high >>> 27), 0x85ebca6b) ^ this.low ^ value;
    return this;
  }

  /** A number as its 64-bit float pattern would distinguish it: integers up to 2^53 and fractions. */
  number(value: number): this {
    if (Number.isInteger(value)) return this.word(value | 0).word(Math.floor(value / 0x1_0000_0000) | 0);
    const words = new Uint32Array(new Float64Array([value]).buffer);
    return this.word(words[0] ?? 0).word(words[1] ?? 0);
  }

  bytes(bytes: Uint8Array): this {
    this.word(bytes.length);
    const whole = bytes.length & ~3;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let i = 0; i < whole; i += 4) this.word(view.getInt32(i, true));
    for (let i = whole; i < bytes.length; i++) this.word(bytes[i] ?? 0);
    return this;
  }

  text(text: string): this {
    this.word(text.length);
    for (let i = 0; i < text.length; i++) this.word(text.charCodeAt(i));
    return this;
  }

  /** Any plain value: null, booleans, numbers, bigints, strings, typed arrays, arrays, records. Undefined fields are absent. */
  value(value: unknown): this {
    if (value === null || value === undefined) return this.word(1);
    if (typeof value === 'number') return this.word(2).number(value);
    if (typeof value === 'boolean') return this.word(value ? 4 : 3);
    if (typeof value === 'bigint') return this.word(5).text(value.toString(16));
    if (typeof value === 'string') return this.word(6).text(value);
    if (ArrayBuffer.isView(value)) {
      return this.word(7).bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    }
    if (Array.isArray(value)) {
      this.word(8).word(value.length);
      for (const item of value) this.value(item);
      return this;
    }
    if (typeof value === 'object') {
      const fields = Object.entries(value)
        .filter(([, field]) => field !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : 1));
      this.word(9).word(fields.length);
      for (const [name, field] of fields) this.text(name).value(field);
      return this;
    }
    throw new TypeError(`State may hold only plain data, not a ${typeof value}.`);
  }

  /** 16 hexadecimal digits. */
  digest(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
    return hex(this.high) + hex(this.low);
  }
}

/** The hash of one plain value. */
export function hashValue(value: unknown): string {
  return new StateHasher().value(value).digest();
}
