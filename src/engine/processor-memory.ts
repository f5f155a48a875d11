/** The slow, complete linear memory of the real processor: translation, page crossing, watchpoints, code pages. */
import type { Access, EngineHost, LinearMemory } from './access';
import type { FastArrays } from './fast-arrays';
import type { HostMemory } from './memory';
import type { CpuState } from './state';

const PAGE = 4096;

export class ProcessorMemory implements LinearMemory {
  constructor(
    private readonly memory: HostMemory,
    private readonly state: CpuState,
    private readonly host: EngineHost,
    private readonly fast: FastArrays,
  ) {}

  /** HPA of a data access inside one page; fills the fast arrays on the way. */
  private locate(linear: number, access: Access, supervisor: boolean): number {
    const translation = this.host.translate(linear, access, supervisor);
    const hpa = translation.hpa;
    const cpl = this.state.cpl;
    // What a supervisor access of user code found says nothing about user accesses.
    if (!supervisor || cpl < 3) this.fast.note(linear, translation, access, cpl);
    return hpa;
  }

  read(linear: number, size: number, supervisor = false): number {
    const inFirst = PAGE - (linear & 0xfff);
    const hpa = this.locate(linear, 'read', supervisor);
    if (size <= inFirst) {
      this.memory.noteRead(hpa, size);
      return this.memory.read(hpa, size);
    }
    const second = this.locate((linear + inFirst) >>> 0, 'read', supervisor);
    this.memory.noteRead(hpa, inFirst);
    this.memory.noteRead(second, size - inFirst);
    let value = 0;
    for (let i = size - 1; i >= 0; i--) {
      value = value * 256 + this.memory.read8(i < inFirst ? hpa + i : second + i - inFirst);
    }
    return value;
  }

  write(linear: number, size: number, value: number, supervisor = false): void {
    const inFirst = PAGE - (linear & 0xfff);
    const hpa = this.locate(linear, 'write', supervisor);
    if (size <= inFirst) {
      this.memory.write(hpa, size, value);
      return;
    }
    const second = this.locate((linear + inFirst) >>> 0, 'write', supervisor);
    for (let i = 0; i < size; i++) {
      this.memory.write8(i < inFirst ? hpa + i : second + i - inFirst, (value >>> (8 * i)) & 0xff);
    }
  }

  read64(linear: number, supervisor = false): bigint {
    const low = this.read(linear, 4, supervisor);
    return BigInt(low) | (BigInt(this.read((linear + 4) >>> 0, 4, supervisor)) << 32n);
  }

  write64(linear: number, value: bigint, supervisor = false): void {
    this.checkWrite(linear, 8, supervisor);
    this.write(linear, 4, Number(BigInt.asUintN(32, value)), supervisor);
    this.write((linear + 4) >>> 0, 4, Number(BigInt.asUintN(32, value >> 32n)), supervisor);
  }

  checkWrite(linear: number, size: number, supervisor = false): void {
    this.locate(linear, 'write', supervisor);
    const inFirst = PAGE - (linear & 0xfff);
    if (size > inFirst) this.locate((linear + inFirst) >>> 0, 'write', supervisor);
  }

  fetch(linear: number, most: number): Uint8Array {
    const translation = this.host.translate(linear, 'fetch', false);
    return this.memory.readBytes(translation.hpa, Math.min(most, PAGE - (linear & 0xfff)));
  }
}
