/** Which bytes of a page have been decoded: byte maps in linear memory, where generated code can look at them too. */
import { CODE_MAP_COUNT, CODE_MAPS } from './layout';

const PAGE = 4096;

export class CodeMaps {
  private readonly bytes: Uint8Array;
  /** Host page to the address of its map. */
  private readonly maps = new Map<number, number>();
  private readonly free: number[] = [];

  constructor(buffer: ArrayBuffer) {
    this.bytes = new Uint8Array(buffer, CODE_MAPS, CODE_MAP_COUNT * PAGE);
    for (let slot = CODE_MAP_COUNT - 1; slot >= 0; slot--) this.free.push(slot);
  }

  /** Linear-memory address of a page's map, or undefined. */
  addressOf(page: number): number | undefined {
    const slot = this.maps.get(page);
    return slot === undefined ? undefined : CODE_MAPS + slot * PAGE;
  }

  /**
   * Marks bytes of a page as decoded.
   * @returns false, with nothing marked, when all maps are in use
   */
  mark(page: number, offset: number, length: number): boolean {
    let slot = this.maps.get(page);
    if (slot === undefined) {
      slot = this.free.pop();
      if (slot === undefined) return false;
      this.maps.set(page, slot);
    }
    this.bytes.fill(1, slot * PAGE + offset, slot * PAGE + offset + length);
    return true;
  }

  /** Is any byte of [from, to) in the page decoded? */
  overlaps(page: number, from: number, to: number): boolean {
    const slot = this.maps.get(page);
    if (slot === undefined) return false;
    for (let i = slot * PAGE + from; i < slot * PAGE + to; i++) if (this.bytes[i] !== 0) return true;
    return false;
  }

  forget(page: number): void {
    const slot = this.maps.get(page);
    if (slot === undefined) return;
    this.bytes.fill(0, slot * PAGE, (slot + 1) * PAGE);
    this.maps.delete(page);
    this.free.push(slot);
  }

  clear(): void {
    for (const page of [...this.maps.keys()]) this.forget(page);
  }
}
