/**
 * The fast arrays: direct-mapped linear-to-host translations in linear memory that generated code looks up itself.
 * They are a subset cache of the architectural TLB and may be dropped at any time for any reason.
 */
import type { Access, Translation } from './access';
import {
  FAST_CODE_TAG,
  FAST_ENTRIES,
  FAST_ENTRY_SIZE,
  FAST_INVALID_TAG,
  FAST_SUPERVISOR_READ,
  FAST_SUPERVISOR_WRITE,
  FAST_USER_READ,
  FAST_USER_WRITE,
  RAM_BASE,
} from './layout';
import type { HostMemory } from './memory';

/** One array with the slots in use, so that a whole drop costs what was filled. */
class FastArray {
  private readonly words: Int32Array;
  private used: number[] = [];

  constructor(
    buffer: ArrayBuffer,
    readonly address: number,
  ) {
    this.words = new Int32Array(buffer, address, (FAST_ENTRIES * FAST_ENTRY_SIZE) / 4);
    for (let slot = 0; slot < FAST_ENTRIES; slot++) this.words[slot * 4] = FAST_INVALID_TAG;
  }

  /** @param codeMap address of the map of decoded bytes that stores must look at, for a page that holds code */
  fill(linear: number, hpa: number, codeMap?: number): void {
    const slot = (linear >>> 12) % FAST_ENTRIES;
    if (this.words[slot * 4] === FAST_INVALID_TAG) this.used.push(slot);
    const tag = linear & ~0xfff;
    this.words[slot * 4] = codeMap === undefined ? tag : tag | FAST_CODE_TAG;
    this.words[slot * 4 + 3] = codeMap ?? 0;
    this.words[slot * 4 + 2] = (RAM_BASE + (hpa & ~0xfff) - tag) | 0;
  }

  dropLinearPage(page: number): void {
    const at = (page % FAST_ENTRIES) * 4;
    if (((this.words[at] ?? 0) & ~FAST_CODE_TAG) === page << 12) this.words[at] = FAST_INVALID_TAG;
  }

  /** Drops the entries that lead to a host page. */
  dropHostPage(hostPage: number): void {
    this.sweep((at) => this.leadsTo(at) >>> 12 === hostPage);
  }

  /** Drops every entry for which `chosen` holds, given the position of its words. */
  sweep(chosen: (at: number) => boolean): void {
    this.used = this.used.filter((slot) => {
      const at = slot * 4;
      if (this.words[at] === FAST_INVALID_TAG) return false;
      if (!chosen(at)) return true;
      this.words[at] = FAST_INVALID_TAG;
      return false;
    });
  }

  private leadsTo(at: number): number {
    return (((this.words[at] ?? 0) & ~0xfff) + (this.words[at + 2] ?? 0) - RAM_BASE) >>> 0;
  }

  dropAll(): void {
    for (const slot of this.used) this.words[slot * 4] = FAST_INVALID_TAG;
    this.used = [];
  }
}

export class FastArrays {
  private readonly userRead: FastArray;
  private readonly userWrite: FastArray;
  private readonly supervisorRead: FastArray;
  private readonly supervisorWrite: FastArray;
  private readonly all: readonly FastArray[];
  /** No page that ends above this linear address gets an entry: the common limit of the flat segments. */
  private limit = 0;

  constructor(private readonly memory: HostMemory) {
    const buffer = memory.wasm.buffer;
    this.userRead = new FastArray(buffer, FAST_USER_READ);
    this.userWrite = new FastArray(buffer, FAST_USER_WRITE);
    this.supervisorRead = new FastArray(buffer, FAST_SUPERVISOR_READ);
    this.supervisorWrite = new FastArray(buffer, FAST_SUPERVISOR_WRITE);
    this.all = [this.userRead, this.userWrite, this.supervisorRead, this.supervisorWrite];
  }

  /** Byte addresses of the read and write arrays for a CPL. */
  addresses(cpl: number): { read: number; write: number } {
    return cpl === 3
      ? { read: FAST_USER_READ, write: FAST_USER_WRITE }
      : { read: FAST_SUPERVISOR_READ, write: FAST_SUPERVISOR_WRITE };
  }

  /** Sets the common limit of the flat segments; entries above a lower limit die. */
  setLimit(limit: number): void {
    if (limit < this.limit) this.dropAll();
    this.limit = limit;
  }

  /** Remembers a translation that a data access at this CPL has just used, as far as the page allows. */
  note(linear: number, translation: Translation, access: Access, cpl: number): void {
    if (!translation.fast || (linear | 0xfff) >>> 0 > this.limit) return;
    const hpa = translation.hpa;
    if (this.memory.fastReadable(hpa)) (cpl === 3 ? this.userRead : this.supervisorRead).fill(linear, hpa);
    const mayWrite = access === 'write' || translation.writable;
    if (!mayWrite) return;
    const writes = cpl === 3 ? this.userWrite : this.supervisorWrite;
    const codeMap = this.memory.codeMapForWrite(hpa);
    if (codeMap !== undefined || this.memory.fastWritable(hpa)) writes.fill(linear, hpa, codeMap);
  }

  dropLinear(firstPage: number, pageCount: number): void {
    if (pageCount >= FAST_ENTRIES) {
      this.dropAll();
      return;
    }
    for (const array of this.all) {
      for (let page = firstPage; page < firstPage + pageCount; page++) array.dropLinearPage(page);
    }
  }

  dropHostPage(hostPage: number, reads: boolean): void {
    this.userWrite.dropHostPage(hostPage);
    this.supervisorWrite.dropHostPage(hostPage);
    if (!reads) return;
    this.userRead.dropHostPage(hostPage);
    this.supervisorRead.dropHostPage(hostPage);
  }

  dropWrites(): void {
    this.userWrite.dropAll();
    this.supervisorWrite.dropAll();
  }

  dropAll(): void {
    for (const array of this.all) array.dropAll();
  }

  /** Drops the slots that `chosen` names (tests: dropping entries must never show). */
  dropSome(chosen: () => boolean): void {
    for (const array of this.all) array.sweep(chosen);
  }
}
