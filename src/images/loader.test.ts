import { describe, expect, it } from 'vitest';
import { ImageError, loadImage } from './loader';

const MEMORY = 16 * 1024 * 1024;

/** An image of 64 bytes with a multiboot header of the given address fields at byte 8. */
function multiboot(flags: number, fields: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  const words = [0x1badb002, flags, -(0x1badb002 + flags), ...fields];
  words.forEach((word, i) => view.setInt32(8 + 4 * i, word | 0, true));
  return bytes;
}

describe('the image loader', () => {
  it('puts a flat image at 1 MiB and starts at its first byte', () => {
    const bytes = new Uint8Array([0xf4]);
    expect(loadImage(bytes, { memoryBytes: MEMORY })).toEqual({
      segments: [{ gpa: 0x100000, bytes, fileOffset: 0 }],
      entry: 0x100000,
      start: 'protected32',
      multiboot: false,
    });
  });

  it('follows the address fields of a multiboot header', () => {
    const image = loadImage(multiboot(0x10000, [0x200008, 0x200000, 0x200040, 0x201000, 0x200030]), {
      memoryBytes: MEMORY,
    });
    expect(image).toMatchObject({ entry: 0x200030, multiboot: true });
    expect(image.segments[0]).toMatchObject({ gpa: 0x200000 });
    expect(image.segments[0]?.bytes.length).toBe(64);
  });

  it.each([
    [new Uint8Array(0), 'is empty'],
    [multiboot(0, []), 'set bit 16'],
    [multiboot(0x10004, [0x200008, 0x200000, 0, 0, 0x200030]), 'clear bits 2 to 15'],
    [multiboot(0x10000, [0x200000, 0x200008, 0, 0, 0x200030]), 'it lies 8 bytes into the file'],
    [multiboot(0x10000, [0x200008, 0x200000, 0x300000, 0, 0x200030]), 'the file has 64'],
    [multiboot(0x10000, [0x200008, 0x200000, 0, 0x2000000, 0x200030]), 'raise "memoryMiB"'],
    [multiboot(0x10000, [0x200008, 0x200000, 0, 0, 0x100000]), 'its entry 0x100000 lies outside'],
  ])('refuses what cannot be loaded with a sentence: case %#', (bytes, sentence) => {
    const load = () => loadImage(bytes, { memoryBytes: MEMORY });
    expect(load).toThrow(ImageError);
    expect(load).toThrow(sentence);
  });
});
