/** Reads NASM's numeric and character constants. */

const radixBySuffix: Readonly<Record<string, number>> = { h: 16, x: 16, d: 10, t: 10, b: 2, y: 2, o: 8, q: 8 };

const digitsOf: Readonly<Record<number, RegExp>> = {
  2: /^[01]+$/,
  8: /^[0-7]+$/,
  10: /^[0-9]+$/,
  16: /^[0-9a-f]+$/,
};

const bigintPrefix: Readonly<Record<number, string>> = { 2: '0b', 8: '0o', 10: '', 16: '0x' };

function inRadix(digits: string, radix: number): bigint | undefined {
  return digitsOf[radix]?.test(digits) ? BigInt(bigintPrefix[radix] + digits) : undefined;
}

/** The value of an integer constant, truncated to 64 bits; undefined when it is not one. */
export function readInteger(text: string): bigint | undefined {
  const plain = text.toLowerCase().replaceAll('_', '');
  const value = readPlain(plain);
  return value === undefined ? undefined : BigInt.asUintN(64, value);
}

function readPlain(text: string): bigint | undefined {
  if (text.startsWith('$')) return inRadix(text.slice(1), 16);
  const second = text[1] ?? '';
  const prefixRadix = text[0] === '0' && text.length > 2 ? radixBySuffix[second] : undefined;
  const lastRadix = radixBySuffix[text[text.length - 1] ?? ''];
  // A suffix decides before a prefix where both could be read: 0b1h is hexadecimal B1.
  if (lastRadix === 16) return inRadix(text.slice(0, -1), 16);
  if (prefixRadix !== undefined) {
    const value = inRadix(text.slice(2), prefixRadix);
    if (value !== undefined) return value;
  }
  if (lastRadix !== undefined) return inRadix(text.slice(0, -1), lastRadix);
  return inRadix(text, 10);
}

/** The value of a floating-point constant such as `1.5` or `2.5e-3`; undefined when it is none. */
export function readFloat(text: string): number | undefined {
  const plain = text.replaceAll('_', '');
  return /^[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?$/.test(plain) ? Number(plain) : undefined;
}

const escapes: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  e: 27,
};

/** The bytes of a quoted string: UTF-8, with C escapes inside backquotes only. */
export function stringBytes(quoted: string): number[] {
  const inner = quoted.slice(1, -1);
  return quoted.startsWith('`') ? unescape(inner) : utf8(inner);
}

function unescape(text: string): number[] {
  const bytes: number[] = [];
  const pattern = /\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|([^]))|[^\\]+|\\/g;
  for (const match of text.matchAll(pattern)) {
    const [whole, hex, short, long, octal, letter] = match;
    const codePoint = short ?? long;
    if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    else if (codePoint !== undefined) bytes.push(...utf8(safeCodePoint(Number.parseInt(codePoint, 16))));
    else if (octal !== undefined) bytes.push(Number.parseInt(octal, 8) & 0xff);
    else if (letter !== undefined) bytes.push(...(letter in escapes ? [escapes[letter] ?? 0] : utf8(letter)));
    else bytes.push(...utf8(whole));
  }
  return bytes;
}

function safeCodePoint(value: number): string {
  return value <= 0x10ffff ? String.fromCodePoint(value) : '\ufffd';
}

/** UTF-8 bytes, without the host's TextEncoder, which the core does without. */
function utf8(text: string): number[] {
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  }
  return bytes;
}

/** A character constant as a number: its first byte is the lowest; at most eight bytes count. */
export function characterConstant(quoted: string): bigint {
  let value = 0n;
  stringBytes(quoted)
    .slice(0, 8)
    .forEach((byte, index) => {
      value |= BigInt(byte) << BigInt(8 * index);
    });
  return value;
}
