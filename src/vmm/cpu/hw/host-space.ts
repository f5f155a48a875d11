/**
 * The VMM's own address space under VT-x: one page directory of 4 MiB identity pages (linear = HPA), and one frame with the
 * GDT, TSS, stack and exit entry that the host-state area names. The exit entry is never executed: reaching it hands
 * control to the handlers in TypeScript.
 */
import type { HostMemory } from '../../../engine/memory';
import { encodeSegment, type RawDescriptor } from '../../../x86/descriptors';
import { LARGE_PAGE_SIZE, PAGE_SIZE, PTE_P, PTE_PS, PTE_W } from '../../../x86/paging-bits';
import { FrameOwner, type HostFrames } from '../../frames';

export const HOST_CODE = 0x08;
export const HOST_DATA = 0x10;
export const HOST_TSS = 0x18;

/** Offsets in the VMM's frame. The IDT is all zero: the host runs with interrupts off and raises no exceptions. */
const GDT = 0x000;
const TSS = 0x100;
const ENTRY = 0x200;
const STACK_TOP = 0x1000;
const HLT = 0xf4;

export interface HostSpaceState {
  readonly directory: number;
  readonly frame: number;
  readonly idt: number;
}

export class HostSpace {
  private directory: number;
  private frame: number;
  private idt: number;

  constructor(memory: HostMemory, frames: HostFrames) {
    this.directory = frames.allocate(FrameOwner.vmm);
    this.frame = frames.allocate(FrameOwner.vmm);
    this.idt = frames.allocate(FrameOwner.vmm);
    for (const hpa of [this.directory, this.frame, this.idt]) memory.writeBytes(hpa, new Uint8Array(PAGE_SIZE));
    for (let base = 0, i = 0; base < memory.size && i < 1024; base += LARGE_PAGE_SIZE, i++) {
      memory.write32(this.directory + i * 4, (base | PTE_P | PTE_W | PTE_PS) >>> 0);
    }
    const slot = (selector: number, raw: RawDescriptor): void => {
      memory.write32(this.frame + GDT + selector, raw.low);
      memory.write32(this.frame + GDT + selector + 4, raw.high);
    };
    slot(HOST_CODE, encodeSegment({ base: 0, limit: 0xffff_ffff, attributes: 0xc09b }));
    slot(HOST_DATA, encodeSegment({ base: 0, limit: 0xffff_ffff, attributes: 0xc093 }));
    slot(HOST_TSS, encodeSegment({ base: this.tss, limit: 0x67, attributes: 0x8b }));
    memory.write8(this.entry, HLT);
  }

  /** Physical address of the page directory, for CR3. */
  get cr3(): number {
    return this.directory;
  }

  get gdt(): number {
    return this.frame + GDT;
  }

  get tss(): number {
    return this.frame + TSS;
  }

  get idtBase(): number {
    return this.idt;
  }

  /** Where VM exits arrive. */
  get entry(): number {
    return this.frame + ENTRY;
  }

  get stackTop(): number {
    return this.frame + STACK_TOP;
  }

  save(): HostSpaceState {
    return { directory: this.directory, frame: this.frame, idt: this.idt };
  }

  load(state: HostSpaceState): void {
    this.directory = state.directory;
    this.frame = state.frame;
    this.idt = state.idt;
  }
}
