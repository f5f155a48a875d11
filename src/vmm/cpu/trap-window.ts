/**
 * The VMM's window: the top 4 MiB of every shadow address space, mapped for ring 0 and 1 only and kept from the guest
 * kernel by its cut segment limits. In it lie the real IDT, TSS, ring-0 stack, entry stubs and GDT, in host frames of the
 * VMM (Intel SDM 3A, "Interrupt and Exception Handling" and "Task Management", for their formats).
 */
import type { HostMemory } from '../../engine/memory';
import { encodeGate, encodeSegment, type RawDescriptor, SystemType } from '../../x86/descriptors';
import { PAGE_SIZE, PTE_P, PTE_W } from '../../x86/paging-bits';
import { FrameOwner, type HostFrames } from '../frames';

/** First linear address of the window. */
export const WINDOW_BASE = 0xffc00000;

/** Linear addresses of the VMM's structures. */
export const WINDOW = {
  idt: WINDOW_BASE,
  tss: WINDOW_BASE + 0x1000,
  /** Entry stub of vector n at stubs + 16 n. */
  stubs: WINDOW_BASE + 0x2000,
  /** Initial ring-0 stack pointer: the stack's page lies below it. */
  stackTop: WINDOW_BASE + 0x4000,
  /** The IRETD by which every visit of the VMM ends. */
  resume: WINDOW_BASE + 0x4000,
  /** Where the VMM stands while it has halted the processor for a halted guest, behind its STI and HLT. */
  idle: WINDOW_BASE + 0x4012,
  /** 64 KiB: a slot for every selector that a guest may use, so that guest selectors keep their values. */
  gdt: WINDOW_BASE + 0x10000,
} as const;

const STUB_SIZE = 16;
const WINDOW_PAGES = 0x20000 / PAGE_SIZE;
const TSS_SIZE = 0x68;
const TSS_ESP0 = 4;
const TSS_SS0 = 8;
const TSS_IO_MAP = 0x66;

/** The VMM's own selectors: the last slots of its GDT. A guest GDT may reach up to them (see ShadowGdt). */
export const FIRST_VMM_SELECTOR = 0xff80;
/** Slots for a guest CS or SS whose descriptor is no longer what the guest's GDT holds. */
export const PINNED_CS = 0xffd0;
export const PINNED_SS = 0xffd8;
export const VMM_CODE = 0xffe0;
export const VMM_DATA = 0xffe8;
export const VMM_TSS = 0xfff0;
export const GDT_LIMIT = 0xffff;
export const IDT_LIMIT = 0x7ff;
export const VMM_TSS_LIMIT = TSS_SIZE - 1;

/** Flat 4 GiB ring-0 code and data, accessed (VMX attribute layout). */
export const VMM_CODE_ATTRIBUTES = 0xc09b;
export const VMM_DATA_ATTRIBUTES = 0xc093;
/** A busy 32-bit TSS. */
export const VMM_TSS_ATTRIBUTES = 0x8b;

/** What the processor pushes on the way from the guest into the VMM, and pops on the way back. */
export interface TrapFrame {
  readonly eip: number;
  readonly cs: number;
  readonly eflags: number;
  readonly esp: number;
  readonly ss: number;
}

const FRAME_BYTES = 20;
const IRETD = 0xcf;
const STI = 0xfb;
const PUSH_IMM32 = 0x68;
const HLT = 0xf4;

export class TrapWindow {
  /** HPA of the window's first page; its pages are one run. */
  private readonly hpa: number;
  /** Directory entry that maps the window: present, writable, supervisor. */
  readonly pde: number;

  /** Takes the window's frames and lays it out. */
  constructor(
    private readonly memory: HostMemory,
    frames: HostFrames,
  ) {
    this.hpa = frames.allocate(FrameOwner.vmm, WINDOW_PAGES);
    const table = frames.allocate(FrameOwner.vmm);
    this.pde = (table | PTE_P | PTE_W) >>> 0;
    memory.writeBytes(this.hpa, new Uint8Array(WINDOW_PAGES * PAGE_SIZE));
    memory.writeBytes(table, new Uint8Array(PAGE_SIZE));
    for (let i = 0; i < WINDOW_PAGES; i++) {
      memory.write32(table + i * 4, ((this.hpa + i * PAGE_SIZE) | PTE_P | PTE_W) >>> 0);
    }
    this.layOut();
  }

  private layOut(): void {
    for (let vector = 0; vector < 256; vector++) {
      const stub = WINDOW.stubs + vector * STUB_SIZE;
      this.writeDescriptor(
        WINDOW.idt + vector * 8,
        encodeGate({
          selector: VMM_CODE,
          offset: stub,
          type: SystemType.interruptGate32,
          dpl: 0,
          present: true,
          parameters: 0,
        }),
      );
      // push vector; hlt. Never executed: reaching the stub hands control to the VMM's handler in TypeScript.
      this.memory.write8(this.at(stub), PUSH_IMM32);
      this.memory.write32(this.at(stub) + 1, vector);
      this.memory.write8(this.at(stub) + 5, HLT);
    }
    this.memory.write32(this.at(WINDOW.tss + TSS_ESP0), WINDOW.stackTop);
    this.memory.write32(this.at(WINDOW.tss + TSS_SS0), VMM_DATA);
    // Beyond the limit: no I/O bitmap, so every IN and OUT of the guest faults.
    this.memory.write16(this.at(WINDOW.tss + TSS_IO_MAP), TSS_SIZE);
    this.memory.write8(this.at(WINDOW.resume), IRETD);
    this.memory.write8(this.at(WINDOW.idle - 2), STI);
    this.memory.write8(this.at(WINDOW.idle - 1), HLT);
    this.writeSlot(VMM_CODE, encodeSegment({ base: 0, limit: 0xffffffff, attributes: VMM_CODE_ATTRIBUTES }));
    this.writeSlot(VMM_DATA, encodeSegment({ base: 0, limit: 0xffffffff, attributes: VMM_DATA_ATTRIBUTES }));
    this.writeSlot(VMM_TSS, encodeSegment({ base: WINDOW.tss, limit: VMM_TSS_LIMIT, attributes: VMM_TSS_ATTRIBUTES }));
  }

  /** HPA of a linear address in the window. */
  private at(linear: number): number {
    return this.hpa + (linear - WINDOW_BASE);
  }

  /** The vector whose stub lies at a linear address; undefined for any other address. */
  static vectorOf(eip: number): number | undefined {
    const offset = eip - WINDOW.stubs;
    return offset >= 0 && offset < 256 * STUB_SIZE && offset % STUB_SIZE === 0 ? offset / STUB_SIZE : undefined;
  }

  /** The frame (without error code) whose EIP lies at a linear address of the VMM's stack. */
  readFrame(linear: number): TrapFrame {
    const word = (i: number): number => this.memory.read32(this.at(linear) + i * 4);
    return { eip: word(0), cs: word(1) & 0xffff, eflags: word(2), esp: word(3), ss: word(4) & 0xffff };
  }

  readErrorCode(linear: number): number {
    return this.memory.read32(this.at(linear));
  }

  /** Puts a frame on the empty VMM stack and returns the stack pointer at which IRETD finds it. */
  writeFrame(frame: TrapFrame): number {
    const esp = WINDOW.stackTop - FRAME_BYTES;
    [frame.eip, frame.cs, frame.eflags, frame.esp, frame.ss].forEach((value, i) => {
      this.memory.write32(this.at(esp) + i * 4, value);
    });
    return esp;
  }

  /** The real descriptor of a selector. */
  readSlot(selector: number): RawDescriptor {
    const hpa = this.at(WINDOW.gdt + (selector & 0xfff8));
    return { low: this.memory.read32(hpa), high: this.memory.read32(hpa + 4) };
  }

  writeSlot(selector: number, raw: RawDescriptor): void {
    this.writeDescriptor(WINDOW.gdt + (selector & 0xfff8), raw);
  }

  private writeDescriptor(linear: number, raw: RawDescriptor): void {
    const hpa = this.at(linear);
    if (this.memory.read32(hpa) === raw.low && this.memory.read32(hpa + 4) === raw.high) return;
    this.memory.write32(hpa, raw.low);
    this.memory.write32(hpa + 4, raw.high);
  }
}
