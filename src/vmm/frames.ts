/** The host frame allocator: every 4 KiB frame of the machine's memory has exactly one owner. */
import { PAGE_SIZE } from '../x86/paging-bits';

/** Owner of a frame: free, the VMM itself, or a VM (FIRST_VM + its number). Numbers of the `frame` event. */
export const FrameOwner = { free: 0, vmm: 1, vm0: 2 } as const;

/** The owner number of a VM, 0 to 253. */
export function vmOwner(vm: number): number {
  return FrameOwner.vm0 + vm;
}

export interface FramesState {
  readonly owners: Uint8Array;
}

export class HostFrames {
  private readonly owners: Uint8Array;
  /** No frame below this index is free; only a hint, so it need not be saved. */
  private firstFree = 0;

  /**
   * @param bytes host memory size
   * @param onOwner called with every change (the `frame` event)
   */
  constructor(
    bytes: number,
    private readonly onOwner: (owner: number, hpa: number) => void = () => {},
  ) {
    this.owners = new Uint8Array(Math.floor(bytes / PAGE_SIZE));
  }

  get total(): number {
    return this.owners.length;
  }

  /** Frames of an owner. */
  count(owner: number): number {
    let n = 0;
    for (const o of this.owners) if (o === owner) n++;
    return n;
  }

  /** Owner of the frame that holds an HPA; undefined outside host memory. */
  ownerOf(hpa: number): number | undefined {
    return this.owners[Math.floor(hpa / PAGE_SIZE)];
  }

  /**
   * Takes `count` consecutive free frames, the lowest that fit, and returns the HPA of the first. Their content is what
   * was left there. Throws when host memory is exhausted; the message says who holds what.
   * @param alignment in frames, a power of two
   */
  allocate(owner: number, count = 1, alignment = 1): number {
    while (this.owners[this.firstFree] !== FrameOwner.free && this.firstFree < this.owners.length) this.firstFree++;
    let start = Math.ceil(this.firstFree / alignment) * alignment;
    for (let at = start; at < this.owners.length; ) {
      if (this.owners[at] !== FrameOwner.free) {
        start = Math.ceil((at + 1) / alignment) * alignment;
        at = start;
      } else if (at - start + 1 === count) {
        this.owners.fill(owner, start, start + count);
        for (let i = 0; i < count; i++) this.onOwner(owner, (start + i) * PAGE_SIZE);
        return start * PAGE_SIZE;
      } else {
        at++;
      }
    }
    throw new OutOfFrames(
      `Host memory is exhausted: ${count} more frame(s) wanted, ${this.count(FrameOwner.vmm)} of ${this.total} belong to the VMM, ` +
        `${this.count(FrameOwner.free)} are free. Give the machine more memory ("memoryMiB") or the guest fewer page tables.`,
    );
  }

  /** Gives frames back. Throws when one of them was free already: that is a bug of the caller. */
  free(hpa: number, count = 1): void {
    const first = Math.floor(hpa / PAGE_SIZE);
    for (let i = first; i < first + count; i++) {
      if (this.owners[i] === FrameOwner.free || this.owners[i] === undefined) {
        throw new Error(`Frame 0x${(i * PAGE_SIZE).toString(16)} was freed twice or lies outside host memory.`);
      }
      this.owners[i] = FrameOwner.free;
      this.onOwner(FrameOwner.free, i * PAGE_SIZE);
    }
    this.firstFree = Math.min(this.firstFree, first);
  }

  save(): FramesState {
    return { owners: this.owners.slice() };
  }

  load(state: FramesState): void {
    if (state.owners.length !== this.owners.length) {
      throw new Error(`The save has ${state.owners.length} host frames, this machine ${this.owners.length}.`);
    }
    this.owners.set(state.owners);
    this.firstFree = 0;
  }
}

/** The VMM ran out of host frames. */
export class OutOfFrames extends Error {}
