/**
 * Host physical memory, and its single writer: everything that changes RAM outside the engine's fast path (VMM, DMA,
 * loaders, the debugger, slow stores) comes through here, so that decoded code, dirty epochs and watchpoints stay true.
 */
import { PAGE_MASK, PAGE_SIZE } from '../x86/paging-bits';
import type { Watchpoint } from './access';
import { CodeMaps } from './code-maps';
import { RAM_BASE, STATE_BASE, WASM_PAGE } from './layout';
import { CpuState } from './state';

/** Page state bits; a page with none of those in SLOW_WRITE may have a fast write entry. */
const CODE = 1;
const CLEAN = 2;
const WATCH_READ = 4;
const WATCH_WRITE = 8;
const SLOW_WRITE = CODE | CLEAN | WATCH_WRITE;

/** Told when something about pages changes that cached translations or decoded code rest on. Page numbers are hpa >> 12. */
export interface MemoryListener {
  /** Fast entries of this page (for writes, or for all accesses) must go. */
  pageRestricted(page: number, reads: boolean): void;
  /** All fast write entries must go. */
  allWritesRestricted(): void;
  /** Bytes that had been decoded were written; the page's decoded code must go. */
  codeWritten(page: number): void;
  /** All of memory was replaced: every fast entry and all decoded code must go. */
  replaced(): void;
}

/** The content of memory at a moment; pages that did not change are shared between saves, and all-zero pages are absent. */
export interface MemorySave {
  readonly size: number;
  readonly pages: readonly (Uint8Array | undefined)[];
}

export interface WatchHit {
  readonly hpa: number;
  readonly size: number;
  readonly write: boolean;
}

export class HostMemory {
  /** The machine's one WebAssembly memory; allocated once, never grown. */
  readonly wasm: WebAssembly.Memory;
  /** Bytes of RAM, a multiple of 4096. */
  readonly size: number;
  private readonly u8: Uint8Array;
  private readonly view: DataView;
  private readonly states: Uint8Array;
  private readonly codeMaps: CodeMaps;
  private readonly listeners: MemoryListener[] = [];
  private watchpoints: readonly Watchpoint[] = [];
  private dirty: number[] = [];
  private lastSave: MemorySave | undefined;
  private hit: WatchHit | undefined;

  /** @param bytes RAM to allocate, rounded up to whole pages; up to 3 GiB. @throws RangeError when it cannot be allocated */
  constructor(bytes: number) {
    this.size = Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;
    const pages = Math.ceil((RAM_BASE + this.size) / WASM_PAGE);
    this.wasm = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.u8 = new Uint8Array(this.wasm.buffer, RAM_BASE, this.size);
    this.view = new DataView(this.wasm.buffer, RAM_BASE, this.size);
    this.states = new Uint8Array(this.size / PAGE_SIZE);
    this.codeMaps = new CodeMaps(this.wasm.buffer);
  }

  /** The state block of the processor that runs on this memory. */
  state(): CpuState {
    return new CpuState(this.wasm.buffer, STATE_BASE);
  }

  listen(listener: MemoryListener): void {
    this.listeners.push(listener);
  }

  // Reads. Addresses are host physical; bytes outside RAM read as ones (open bus).

  read8(hpa: number): number {
    return hpa < this.size ? this.view.getUint8(hpa) : 0xff;
  }

  read16(hpa: number): number {
    return hpa + 2 <= this.size ? this.view.getUint16(hpa, true) : this.readEdge(hpa, 2);
  }

  read32(hpa: number): number {
    return hpa + 4 <= this.size ? this.view.getUint32(hpa, true) : this.readEdge(hpa, 4);
  }

  read64(hpa: number): bigint {
    if (hpa + 8 <= this.size) return this.view.getBigUint64(hpa, true);
    return BigInt(this.read32(hpa)) | (BigInt(this.read32(hpa + 4)) << 32n);
  }

  /** @param size 1, 2 or 4 */
  read(hpa: number, size: number): number {
    return size === 4 ? this.read32(hpa) : size === 1 ? this.read8(hpa) : this.read16(hpa);
  }

  /** A copy of n bytes. */
  readBytes(hpa: number, n: number): Uint8Array {
    const bytes = new Uint8Array(n).fill(0xff);
    if (hpa < this.size) bytes.set(this.u8.subarray(hpa, Math.min(hpa + n, this.size)));
    return bytes;
  }

  private readEdge(hpa: number, size: number): number {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.read8(hpa + i);
    return value;
  }

  // Writes. Bytes outside RAM are dropped (open bus).

  write8(hpa: number, value: number): void {
    if (hpa >= this.size) return;
    this.touch(hpa, 1);
    this.view.setUint8(hpa, value);
  }

  write16(hpa: number, value: number): void {
    if (hpa + 2 > this.size) return this.writeEdge(hpa, 2, value);
    this.touch(hpa, 2);
    this.view.setUint16(hpa, value, true);
  }

  write32(hpa: number, value: number): void {
    if (hpa + 4 > this.size) return this.writeEdge(hpa, 4, value);
    this.touch(hpa, 4);
    this.view.setUint32(hpa, value, true);
  }

  write64(hpa: number, value: bigint): void {
    this.write32(hpa, Number(BigInt.asUintN(32, value)));
    this.write32(hpa + 4, Number(BigInt.asUintN(32, value >> 32n)));
  }

  /** @param size 1, 2 or 4 */
  write(hpa: number, size: number, value: number): void {
    if (size === 4) this.write32(hpa, value);
    else if (size === 1) this.write8(hpa, value);
    else this.write16(hpa, value);
  }

  writeBytes(hpa: number, bytes: Uint8Array): void {
    const length = Math.min(bytes.length, this.size - hpa);
    if (length <= 0) return;
    this.touch(hpa, length);
    this.u8.set(bytes.subarray(0, length), hpa);
  }

  private writeEdge(hpa: number, size: number, value: number): void {
    for (let i = 0; i < size; i++) this.write8(hpa + i, (value >>> (8 * i)) & 0xff);
  }

  /** Keeps page states true for a write of [hpa, hpa + length), which lies in RAM. */
  private touch(hpa: number, length: number): void {
    const last = (hpa + length - 1) >>> 12;
    for (let page = hpa >>> 12; page <= last; page++) {
      if (this.states[page] !== 0) this.touchPage(page, hpa, length);
    }
  }

  private touchPage(page: number, hpa: number, length: number): void {
    const state = this.states[page] ?? 0;
    if ((state & CLEAN) !== 0) {
      this.states[page] = state & ~CLEAN;
      this.dirty.push(page);
    }
    if ((state & CODE) !== 0 && this.overlapsCode(page, hpa, length)) {
      for (const listener of this.listeners) listener.codeWritten(page);
      this.forgetCode(page);
    }
    if ((state & WATCH_WRITE) !== 0) this.watchAccess(hpa, length, true);
  }

  // Decoded code.

  /**
   * Notes that [hpa, hpa + length), inside one page, was decoded, so that a write into it is reported.
   * @returns false when too many pages hold code: some must be forgotten first
   */
  markCode(hpa: number, length: number): boolean {
    const page = hpa >>> 12;
    if (!this.codeMaps.mark(page, hpa & PAGE_MASK, length)) return false;
    this.addState(page, CODE);
    return true;
  }

  /** The page's decoded code is gone; its bytes are plain data again. */
  forgetCode(page: number): void {
    this.codeMaps.forget(page);
    this.states[page] = (this.states[page] ?? 0) & ~CODE;
    // Write entries that look at the map must not outlive it.
    for (const listener of this.listeners) listener.pageRestricted(page, false);
  }

  private overlapsCode(page: number, hpa: number, length: number): boolean {
    const from = Math.max(hpa - page * PAGE_SIZE, 0);
    const to = Math.min(hpa + length - page * PAGE_SIZE, PAGE_SIZE);
    return this.codeMaps.overlaps(page, from, to);
  }

  // Fast entries.

  /** May accesses to this HPA's page go by a fast read entry? */
  fastReadable(hpa: number): boolean {
    return hpa < this.size && ((this.states[hpa >>> 12] ?? 0) & WATCH_READ) === 0;
  }

  /** May stores to this HPA's page go by a fast write entry? */
  fastWritable(hpa: number): boolean {
    return hpa < this.size && ((this.states[hpa >>> 12] ?? 0) & SLOW_WRITE) === 0;
  }

  /** The map of decoded bytes that a store to this HPA must respect, when that is the only thing that forbids it. */
  codeMapForWrite(hpa: number): number | undefined {
    if (hpa >= this.size || ((this.states[hpa >>> 12] ?? 0) & SLOW_WRITE) !== CODE) return undefined;
    return this.codeMaps.addressOf(hpa >>> 12);
  }

  private addState(page: number, bits: number): void {
    const old = this.states[page] ?? 0;
    if ((old & bits) === bits) return;
    this.states[page] = old | bits;
    for (const listener of this.listeners) listener.pageRestricted(page, (bits & WATCH_READ) !== 0);
  }

  // Watchpoints.

  setWatchpoints(watchpoints: readonly Watchpoint[]): void {
    for (const watchpoint of this.watchpoints) {
      this.eachPage(watchpoint, (page) => {
        this.states[page] = (this.states[page] ?? 0) & ~(WATCH_READ | WATCH_WRITE);
      });
    }
    this.watchpoints = watchpoints;
    for (const watchpoint of watchpoints) {
      const bits = (watchpoint.read ? WATCH_READ : 0) | (watchpoint.write ? WATCH_WRITE : 0);
      this.eachPage(watchpoint, (page) => this.addState(page, bits));
    }
  }

  private eachPage(watchpoint: Watchpoint, visit: (page: number) => void): void {
    const end = Math.min(watchpoint.hpa + watchpoint.length, this.size);
    if (watchpoint.hpa >= end) return;
    for (let page = watchpoint.hpa >>> 12; page <= (end - 1) >>> 12; page++) visit(page);
  }

  /** To be called for a guest's data reads that go the slow way; writes report themselves. */
  noteRead(hpa: number, size: number): void {
    if (this.watchpoints.length !== 0) this.watchAccess(hpa, size, false);
  }

  private watchAccess(hpa: number, size: number, write: boolean): void {
    if (this.hit !== undefined) return;
    for (const watchpoint of this.watchpoints) {
      if (!(write ? watchpoint.write : watchpoint.read)) continue;
      if (hpa < watchpoint.hpa + watchpoint.length && watchpoint.hpa < hpa + size) {
        this.hit = { hpa: Math.max(hpa, watchpoint.hpa), size, write };
        return;
      }
    }
  }

  /** The first access to a watched range since the last call, if there was one. */
  takeWatchHit(): WatchHit | undefined {
    const hit = this.hit;
    this.hit = undefined;
    return hit;
  }

  // Epochs and saves.

  /** Starts a dirty epoch: returns the pages written since the last one, in ascending order. */
  beginEpoch(): number[] {
    const pages = this.dirty.sort((a, b) => a - b);
    this.dirty = [];
    for (let page = 0; page < this.states.length; page++) this.states[page] = (this.states[page] ?? 0) | CLEAN;
    for (const listener of this.listeners) listener.allWritesRestricted();
    return pages;
  }

  /**
   * Copies what changed and starts a new epoch.
   * @param previous a save of this memory with which unchanged pages are shared; cheapest when it is the latest one
   */
  save(previous?: MemorySave): MemorySave {
    const known = previous !== undefined && previous.size === this.size ? previous : undefined;
    const latest = known !== undefined && known === this.lastSave;
    const dirty = this.beginEpoch();
    let pages: (Uint8Array | undefined)[];
    if (latest) {
      pages = known.pages.slice();
      for (const page of dirty) pages[page] = this.savePage(page, known.pages[page]);
    } else {
      pages = Array.from(this.states, (_, page) => this.savePage(page, known?.pages[page]));
    }
    const save = { size: this.size, pages };
    this.lastSave = save;
    return save;
  }

  private savePage(page: number, previous: Uint8Array | undefined): Uint8Array | undefined {
    const now = new BigUint64Array(this.wasm.buffer, RAM_BASE + page * PAGE_SIZE, PAGE_SIZE / 8);
    if (previous !== undefined) {
      const then = new BigUint64Array(previous.buffer, previous.byteOffset, PAGE_SIZE / 8);
      if (now.every((word, i) => word === then[i])) return previous;
    }
    if (now.every((word) => word === 0n)) return undefined;
    return this.u8.slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
  }

  /** @throws RangeError when the save is of a memory of another size */
  load(save: MemorySave): void {
    if (save.size !== this.size) {
      throw new RangeError(
        `The saved memory has ${save.size} bytes and this machine ${this.size}; start a machine with the saved size.`,
      );
    }
    for (let page = 0; page < this.states.length; page++) {
      const content = save.pages[page];
      if (content === undefined) this.u8.fill(0, page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
      else this.u8.set(content, page * PAGE_SIZE);
      this.states[page] = (this.states[page] ?? 0) & ~CODE;
    }
    this.codeMaps.clear();
    for (const listener of this.listeners) listener.replaced();
    this.beginEpoch();
    this.lastSave = save;
  }
}
