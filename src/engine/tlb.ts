/**
 * The architectural TLB: plain state with deterministic FIFO replacement (never by recency, since hits in the engine's
 * fast arrays are unseen). Intel SDM 3A, "Caching Translation Information".
 */

export const TLB_WRITABLE = 1;
export const TLB_USER = 2;
export const TLB_DIRTY = 4;
export const TLB_GLOBAL = 8;
/** A 4 MiB page in one entry. */
export const TLB_LARGE = 16;
const VALID = 128;

const LARGE_PAGES = 1024;
/** Tags are multiplied by this to make one key with the page number. */
const TAG_STEP = 2 ** 36;

export interface TlbEntry {
  readonly slot: number;
  /** Linear page number of the entry's first page. */
  readonly page: number;
  /** VPID, 0 outside VMX non-root operation. */
  readonly tag: number;
  /** HPA page number of the first page. */
  readonly hpaPage: number;
  /** TLB_* bits. */
  readonly flags: number;
}

export interface TlbSave {
  readonly next: number;
  readonly pages: readonly number[];
  readonly tags: readonly number[];
  readonly hpaPages: readonly number[];
  readonly flags: readonly number[];
}

export class Tlb {
  private readonly pages: Uint32Array;
  private readonly tags: Uint16Array;
  private readonly hpaPages: Uint32Array;
  private readonly flagBits: Uint8Array;
  private readonly small = new Map<number, number>();
  private readonly large = new Map<number, number>();
  private next = 0;
  /** Called for each entry that dies (page number and count of pages), and once with all pages for a whole flush. */
  onDrop: (firstPage: number, pageCount: number) => void = () => {};

  /** @param capacity entries, 16 to 4096 */
  constructor(readonly capacity = 64) {
    if (!Number.isInteger(capacity) || capacity < 16 || capacity > 4096) {
      throw new RangeError(`tlbEntries is ${capacity}; it must be a whole number from 16 to 4096.`);
    }
    this.pages = new Uint32Array(capacity);
    this.tags = new Uint16Array(capacity);
    this.hpaPages = new Uint32Array(capacity);
    this.flagBits = new Uint8Array(capacity);
  }

  /** Entries in use. */
  get used(): number {
    return this.small.size + this.large.size;
  }

  /** The slot that translates a linear address, or -1. Changes nothing. */
  lookup(linear: number, tag: number): number {
    const page = linear >>> 12;
    return this.small.get(tag * TAG_STEP + page) ?? this.large.get(tag * TAG_STEP + page - (page % LARGE_PAGES)) ?? -1;
  }

  /** TLB_* bits of a slot. */
  flags(slot: number): number {
    return (this.flagBits[slot] ?? 0) & ~VALID;
  }

  /** HPA of a linear address that the slot translates. */
  hpa(slot: number, linear: number): number {
    const offset = (this.flags(slot) & TLB_LARGE) !== 0 ? linear % (LARGE_PAGES * 4096) : linear % 4096;
    return (this.hpaPages[slot] ?? 0) * 4096 + offset;
  }

  /**
   * Enters a translation; an entry for the same page is replaced in place, otherwise the oldest slot is used.
   * @param hpaPage page number of the first page (of the 4 MiB page when TLB_LARGE)
   * @returns the linear page number that was evicted, or -1
   */
  insert(linear: number, tag: number, hpaPage: number, flags: number): number {
    const isLarge = (flags & TLB_LARGE) !== 0;
    const page = linear >>> 12;
    const first = isLarge ? page - (page % LARGE_PAGES) : page;
    const index = isLarge ? this.large : this.small;
    const key = tag * TAG_STEP + first;
    const same = index.get(key);
    let evicted = -1;
    let slot = this.next;
    if (same !== undefined) {
      slot = same;
      this.drop(same);
    } else {
      if (((this.flagBits[slot] ?? 0) & VALID) !== 0) {
        evicted = this.pages[slot] ?? 0;
        this.drop(slot);
      }
      this.next = (slot + 1) % this.capacity;
    }
    this.pages[slot] = first;
    this.tags[slot] = tag;
    this.hpaPages[slot] = hpaPage;
    this.flagBits[slot] = flags | VALID;
    index.set(key, slot);
    return evicted;
  }

  /** INVLPG: drops what translates this address in the tag, global entries too. Returns the number of entries dropped. */
  flushPage(linear: number, tag: number): number {
    let dropped = 0;
    // A page may be held twice, by a small and a large entry, after its size was changed without a flush.
    for (let slot = this.lookup(linear, tag); slot >= 0; slot = this.lookup(linear, tag)) {
      this.drop(slot);
      dropped++;
    }
    return dropped;
  }

  /** MOV to CR3 (keepGlobal) or a whole tag (single-context INVVPID). */
  flushTag(tag: number, keepGlobal: boolean): void {
    for (let slot = 0; slot < this.capacity; slot++) {
      const flags = this.flagBits[slot] ?? 0;
      if ((flags & VALID) === 0 || this.tags[slot] !== tag) continue;
      if (keepGlobal && (flags & TLB_GLOBAL) !== 0) continue;
      this.drop(slot);
    }
  }

  flushAll(): void {
    this.flagBits.fill(0);
    this.small.clear();
    this.large.clear();
    this.onDrop(0, 0x100000);
  }

  private drop(slot: number): void {
    const flags = this.flagBits[slot] ?? 0;
    const page = this.pages[slot] ?? 0;
    const isLarge = (flags & TLB_LARGE) !== 0;
    (isLarge ? this.large : this.small).delete((this.tags[slot] ?? 0) * TAG_STEP + page);
    this.flagBits[slot] = 0;
    this.onDrop(page, isLarge ? LARGE_PAGES : 1);
  }

  /** The valid entries in slot order, for views. */
  entries(): TlbEntry[] {
    const found: TlbEntry[] = [];
    for (let slot = 0; slot < this.capacity; slot++) {
      if (((this.flagBits[slot] ?? 0) & VALID) === 0) continue;
      found.push({
        slot,
        page: this.pages[slot] ?? 0,
        tag: this.tags[slot] ?? 0,
        hpaPage: this.hpaPages[slot] ?? 0,
        flags: this.flags(slot),
      });
    }
    return found;
  }

  save(): TlbSave {
    return {
      next: this.next,
      pages: [...this.pages],
      tags: [...this.tags],
      hpaPages: [...this.hpaPages],
      flags: [...this.flagBits],
    };
  }

  /** @throws RangeError when the save is of a TLB of another capacity */
  load(save: TlbSave): void {
    if (save.pages.length !== this.capacity) {
      throw new RangeError(`The saved TLB has ${save.pages.length} entries and this one ${this.capacity}.`);
    }
    this.flushAll();
    this.next = save.next;
    this.pages.set(save.pages);
    this.tags.set(save.tags);
    this.hpaPages.set(save.hpaPages);
    this.flagBits.set(save.flags);
    for (let slot = 0; slot < this.capacity; slot++) {
      const flags = this.flagBits[slot] ?? 0;
      if ((flags & VALID) === 0) continue;
      const index = (flags & TLB_LARGE) !== 0 ? this.large : this.small;
      index.set((this.tags[slot] ?? 0) * TAG_STEP + (this.pages[slot] ?? 0), slot);
    }
  }
}
