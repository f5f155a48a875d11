/**
 * Loading a flat image: with a multiboot header where its address fields say, otherwise at one address, entry first
 * (Multiboot Specification 0.6.96, "The layout of Multiboot header").
 */

export interface ImageSegment {
  readonly gpa: number;
  readonly bytes: Uint8Array;
  /** Offset of the bytes in the file. */
  readonly fileOffset: number;
}

/** What a loaded machine starts with. */
export interface LoadedImage {
  readonly segments: readonly ImageSegment[];
  /** Address of the first instruction. */
  readonly entry: number;
  /** protected32: paging off, flat 32-bit segments, ring 0. */
  readonly start: 'protected32';
  /** True when a multiboot header was used: EAX then holds the loader's magic number at entry. */
  readonly multiboot: boolean;
}

export interface LoadOptions {
  /** Where a flat image without a header goes, and its entry. Default 1 MiB. */
  readonly base?: number;
  /** Guest memory in bytes: the image must fit in it. */
  readonly memoryBytes: number;
  /** Name for messages, e.g. the file's path. */
  readonly name?: string;
}

/** An image that cannot be loaded; the message is one sentence for its user. */
export class ImageError extends Error {}

const HEADER_MAGIC = 0x1badb002;
const FLAG_ADDRESSES = 1 << 16;
/** Bits 0 to 15 are demands that a loader must know; 0 and 1 (page-aligned modules, memory map) are harmless here. */
const UNKNOWN_DEMANDS = 0xfffc;
/** The header lies within the first 8 KiB, on a 4-byte boundary. */
const SEARCH = 8192;
const DEFAULT_BASE = 0x10_0000;

/** @throws ImageError */
export function loadImage(bytes: Uint8Array, options: LoadOptions): LoadedImage {
  const name = options.name ?? 'The image';
  if (bytes.length === 0) throw new ImageError(`${name} is empty: there is no instruction to start at.`);
  const header = findHeader(bytes);
  if (header === undefined) {
    const base = options.base ?? DEFAULT_BASE;
    checkFits(name, base, bytes.length, options.memoryBytes);
    return { segments: [{ gpa: base, bytes, fileOffset: 0 }], entry: base, start: 'protected32', multiboot: false };
  }
  return loadMultiboot(bytes, header, options.memoryBytes, name);
}

function findHeader(bytes: Uint8Array): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 12 <= Math.min(bytes.length, SEARCH); at += 4) {
    if (view.getUint32(at, true) !== HEADER_MAGIC) continue;
    const sum = HEADER_MAGIC + view.getUint32(at + 4, true) + view.getUint32(at + 8, true);
    if ((sum | 0) === 0) return at;
  }
  return undefined;
}

function loadMultiboot(bytes: Uint8Array, at: number, memoryBytes: number, name: string): LoadedImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint32(at + 4, true);
  if ((flags & UNKNOWN_DEMANDS) !== 0) {
    throw new ImageError(
      `${name}: its multiboot header demands what this loader does not offer (flags ${hex(flags)}); clear bits 2 to 15.`,
    );
  }
  if ((flags & FLAG_ADDRESSES) === 0 || at + 32 > bytes.length) {
    throw new ImageError(
      `${name}: its multiboot header gives no addresses; set bit 16 of the flags and give the five address fields.`,
    );
  }
  const field = (index: number): number => view.getUint32(at + 12 + 4 * index, true);
  const [headerAddress, loadAddress, loadEnd, zeroedEnd, entry] = [field(0), field(1), field(2), field(3), field(4)];
  const from = at - (headerAddress - loadAddress);
  if (loadAddress > headerAddress || from < 0) {
    throw new ImageError(
      `${name}: its multiboot header puts itself at ${hex(headerAddress)} and the image at ${hex(loadAddress)}, but it lies ${at} bytes into the file.`,
    );
  }
  const length = loadEnd === 0 ? bytes.length - from : loadEnd - loadAddress;
  if (length <= 0 || from + length > bytes.length) {
    throw new ImageError(
      `${name}: its multiboot header asks for ${length} bytes from offset ${from}, and the file has ${bytes.length}.`,
    );
  }
  // Memory is zero at start, so the zeroed range needs only to exist.
  const end = Math.max(loadAddress + length, zeroedEnd);
  checkFits(name, loadAddress, end - loadAddress, memoryBytes);
  if (entry < loadAddress || entry >= end) {
    throw new ImageError(
      `${name}: its entry ${hex(entry)} lies outside the loaded ${hex(loadAddress)} to ${hex(end)}.`,
    );
  }
  return {
    segments: [{ gpa: loadAddress, bytes: bytes.slice(from, from + length), fileOffset: from }],
    entry,
    start: 'protected32',
    multiboot: true,
  };
}

function checkFits(name: string, base: number, length: number, memoryBytes: number): void {
  if (base + length <= memoryBytes) return;
  throw new ImageError(
    `${name} reaches from ${hex(base)} to ${hex(base + length)}, and the guest has memory up to ${hex(memoryBytes)}; raise "memoryMiB".`,
  );
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
