/** A virtual machine: its guest-physical memory (p2m), its platform of devices, its time, and whether it still runs. */
import type { HostMemory } from '../engine/memory';
import type { Platform, PlatformState } from '../machine/platform';
import { PAGE_MASK, PAGE_SIZE } from '../x86/paging-bits';
import { type HostFrames, vmOwner } from './frames';

export interface VmState {
  readonly p2m: Uint32Array;
  readonly stop: VmStop | null;
  readonly platform: PlatformState;
}

export interface VmStop {
  /** A `StopCause` number. */
  readonly cause: number;
  readonly value: number;
}

/** Told of every write that the VMM (or a user) does to guest memory for the guest, after the bytes are in place. */
export type GuestWriteObserver = (gpa: number, size: number) => void;

export class Vm {
  /** Host frame number of each guest frame. */
  readonly p2m: Uint32Array;
  /** Set once the VM has ended; nothing of it runs afterwards. */
  stop: VmStop | undefined;
  private readonly observers: GuestWriteObserver[] = [];

  /**
   * Takes host frames for all guest memory. They are one run, so that a memory view is easy to follow, but nothing relies
   * on it; guest frame 0 never lies in host frame 0 as long as the VMM has taken a frame before.
   * @param number 0 to 253
   * @param gpaSize bytes, a multiple of 4 KiB
   * @param platform the VM's devices, on this VM's guest time
   * @param alignment of guest frame 0, in host frames
   */
  constructor(
    readonly number: number,
    readonly gpaSize: number,
    private readonly memory: HostMemory,
    frames: HostFrames,
    readonly platform: Platform,
    alignment = 1,
  ) {
    const count = gpaSize / PAGE_SIZE;
    const first = frames.allocate(vmOwner(number), count, alignment) / PAGE_SIZE;
    this.p2m = Uint32Array.from({ length: count }, (_, i) => first + i);
  }

  /** HPA of a GPA, undefined where no RAM backs it. */
  gpaToHpa(gpa: number): number | undefined {
    const frame = this.p2m[Math.floor(gpa / PAGE_SIZE)];
    return frame === undefined ? undefined : frame * PAGE_SIZE + (gpa & PAGE_MASK);
  }

  /** True when RAM backs the guest frame. */
  hasFrame(gfn: number): boolean {
    return gfn < this.p2m.length;
  }

  /** Reads 1, 2 or 4 bytes within one page; all ones where no RAM is (open bus). */
  read(gpa: number, size: 1 | 2 | 4): number {
    const hpa = this.gpaToHpa(gpa);
    if (hpa === undefined) return 0xffffffff >>> (32 - size * 8);
    return size === 4 ? this.memory.read32(hpa) : size === 2 ? this.memory.read16(hpa) : this.memory.read8(hpa);
  }

  /** Writes 1, 2 or 4 bytes within one page and tells the observers; dropped where no RAM is. */
  write(gpa: number, size: 1 | 2 | 4, value: number): void {
    const hpa = this.gpaToHpa(gpa);
    if (hpa === undefined) return;
    if (size === 4) this.memory.write32(hpa, value);
    else if (size === 2) this.memory.write16(hpa, value);
    else this.memory.write8(hpa, value);
    for (const observer of this.observers) observer(gpa, size);
  }

  /** Writes a table entry's accessed or dirty bits as the guest's hardware would; page-table upkeep does not react to it. */
  writeWalkBits(gpa: number, entry: number): void {
    const hpa = this.gpaToHpa(gpa);
    if (hpa !== undefined) this.memory.write32(hpa, entry);
  }

  /** A copy of n bytes from a GPA; bytes that are not RAM read as all ones. */
  readBytes(gpa: number, n: number): Uint8Array {
    const bytes = new Uint8Array(n).fill(0xff);
    for (const [at, hpa, length] of this.pieces(gpa, n)) bytes.set(this.memory.readBytes(hpa, length), at);
    return bytes;
  }

  /** Writes bytes (loaders, users' edits) and tells the observers; bytes that are not RAM are dropped. */
  writeBytes(gpa: number, bytes: Uint8Array): void {
    for (const [at, hpa, length] of this.pieces(gpa, bytes.length)) {
      this.memory.writeBytes(hpa, bytes.subarray(at, at + length));
      for (const observer of this.observers) observer(gpa + at, length);
    }
  }

  /** The mmu technique (write traces) and the shadow GDT watch guest memory through this. */
  onGuestWrite(observer: GuestWriteObserver): void {
    this.observers.push(observer);
  }

  private *pieces(gpa: number, n: number): Generator<[at: number, hpa: number, length: number]> {
    for (let at = 0; at < n; ) {
      const length = Math.min(n - at, PAGE_SIZE - ((gpa + at) & PAGE_MASK));
      const hpa = this.gpaToHpa(gpa + at);
      if (hpa !== undefined) yield [at, hpa, length];
      at += length;
    }
  }

  save(): VmState {
    return { p2m: this.p2m.slice(), stop: this.stop ?? null, platform: this.platform.save() };
  }

  load(state: VmState): void {
    this.p2m.set(state.p2m);
    this.stop = state.stop ?? undefined;
    this.platform.load(state.platform);
  }
}
