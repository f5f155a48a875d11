/** What a device gave to the outside: the newest text, and a count and hash of all of it, so that a digest needs no more. */

/** Characters kept; older ones are dropped, in halves. */
const KEPT = 1 << 20;

export interface OutputLogState {
  readonly text: string;
  readonly count: number;
  readonly hash: number;
}

export class OutputLog {
  private kept = '';
  private bytes = 0;
  private fnv = 0x811c9dc5;

  /** Appends a byte. */
  add(byte: number): void {
    this.kept += String.fromCharCode(byte);
    if (this.kept.length > KEPT) this.kept = this.kept.slice(KEPT / 2);
    this.bytes++;
    this.fnv = Math.imul(this.fnv ^ byte, 0x01000193);
  }

  /** The newest bytes as latin1 text, up to a million. */
  get text(): string {
    return this.kept;
  }

  /** Bytes since reset. */
  get count(): number {
    return this.bytes;
  }

  /** FNV-1a of all bytes since reset, unsigned 32 bits. */
  get hash(): number {
    return this.fnv >>> 0;
  }

  save(): OutputLogState {
    return { text: this.kept, count: this.bytes, hash: this.fnv };
  }

  load(state: OutputLogState): void {
    this.kept = state.text;
    this.bytes = state.count;
    this.fnv = state.hash;
  }
}
