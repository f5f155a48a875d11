/**
 * Shadow paging: real two-level x86 tables in host frames that map GVA to HPA, kept beside the guest's own tables.
 *
 * - Filled lazily: a page that the guest has mapped and the shadow has not gives a hidden fault, which sets the guest's A
 *   (and D) flag as its hardware would and fills the entry.
 * - Kept in step eagerly: guest page directories and tables that some shadow root was built from are write-protected in
 *   every root (traced); each emulated write to one updates or removes the shadow entries that depend on it.
 * - Cached by guest root, so that a return to a process finds its shadow filled.
 */
import { FaultClass, NONE, ShadowOp } from '../../machine/event-kinds';
import type { EventStream } from '../../machine/events';
import { pageTableRows } from '../../machine/guest-tables';
import type { PageTableRow, SecondEntry } from '../../machine/guest-view';
import type { HostMemory } from '../../engine/memory';
import { GuestFault, PF_USER, PF_WRITE } from '../../x86/exceptions';
import { FRAME, PAGE_MASK, PAGE_SIZE, PTE_A, PTE_P, PTE_PS, PTE_U, PTE_W } from '../../x86/paging-bits';
import { FrameOwner, type HostFrames, OutOfFrames } from '../frames';
import { type Handler, step } from '../handler';
import type { Vcpu } from '../vcpu';
import type { Vm } from '../vm';
import { guestTables, walkGuest } from './guest-space';
import type { MmuTechnique, PageFaultVerdict, RealTlb } from './mmu';
import { ReverseMap, type ShadowLeaf } from './reverse-map';
import { pdeSignature, rootKey, shadowEntry, tableMapping } from './shadow-fill';
import {
  ROOT_LIMIT,
  type RootsState,
  type ShadowRoot,
  ShadowRoots,
  type ShadowTable,
  WRITES_BEFORE_DROP,
} from './shadow-roots';
import { DIRECTORY, type TableUse, WriteTrace } from './write-trace';

export interface ShadowParts {
  readonly memory: HostMemory;
  readonly frames: HostFrames;
  readonly vm: Vm;
  readonly vcpu: Vcpu;
  readonly events: EventStream;
  readonly tlb: RealTlb;
  /**
   * The top directory entry of every shadow root, where the VMM needs a window into its own memory (trap); without it the
   * guest has all of the address space (hw).
   */
  readonly windowPde?: number;
}

export interface ShadowState {
  readonly roots: RootsState;
  readonly leaves: readonly ShadowLeaf[];
  readonly trace: ReturnType<WriteTrace['save']>;
}

const WINDOW_INDEX = 1023;
/** Root ids begin at 1. */
const OTHER_USE: TableUse = { root: 0, index: DIRECTORY };

export class ShadowMmu implements MmuTechnique {
  readonly name = 'shadow';
  readonly roots = new ShadowRoots();
  readonly rmap = new ReverseMap();
  readonly trace = new WriteTrace();

  constructor(private readonly parts: ShadowParts) {}

  root(): number {
    return this.current.pd;
  }

  private get current(): ShadowRoot {
    if (this.roots.current === undefined) throw new Error('No shadow root is loaded; guestRootChanged comes first.');
    return this.roots.current;
  }

  *handlePageFault(gva: number, errorCode: number): Handler<PageFaultVerdict> {
    const { vm, vcpu, events } = this.parts;
    const write = (errorCode & PF_WRITE) !== 0;
    const user = (errorCode & PF_USER) !== 0;
    yield step('walk the guest table', { gva, errorCode, root: this.current.key });
    let pde: number | undefined;
    let mapped: ReturnType<typeof walkGuest>;
    try {
      mapped = walkGuest(vm, vcpu, gva, write ? 'write' : 'read', user, (level, _address, value) => {
        if (level === 2) pde = value;
      });
    } catch (fault) {
      if (!(fault instanceof GuestFault)) throw fault;
      events.emit('fault', FaultClass.true, gva, NONE, fault.errorCode ?? 0);
      yield step('true fault: the guest itself maps it so', { gva, errorCode: fault.errorCode ?? 0 });
      return { kind: 'true', fault };
    }
    const gpa = mapped.pa;
    const hpa = vm.gpaToHpa(gpa);
    const gfn = gpa >>> 12;
    if (hpa === undefined || this.inWindow(gva)) {
      events.emit('fault', FaultClass.mmio, gva, gpa, errorCode);
      yield step('no page that could be mapped: emulate', { gva, gpa });
      return { kind: 'trace' };
    }
    if (write && this.trace.isTraced(gfn)) {
      events.emit('fault', FaultClass.trace, gva, gpa, errorCode);
      yield step('write to a traced guest table: emulate', { gva, gpa });
      return { kind: 'trace' };
    }
    events.emit('fault', FaultClass.hidden, gva, gpa, errorCode);
    if (write && !mapped.writable) {
      yield step('supervisor write under CR0.WP = 0: emulate', { gva, gpa });
      return { kind: 'trace' };
    }
    yield step('hidden fault: fill the shadow entry', { gva, gpa, hpa });
    this.fill(gva, gpa, hpa, mapped, pde);
    return { kind: 'hidden' };
  }

  private fill(
    gva: number,
    gpa: number,
    hpa: number,
    mapped: ReturnType<typeof walkGuest>,
    pde: number | undefined,
  ): void {
    const table = this.tableFor(this.current, gva >>> 22, pde);
    const entry = table.hpa + ((gva >>> 10) & 0xffc);
    const gfn = gpa >>> 12;
    this.parts.memory.write32(entry, shadowEntry(hpa, mapped, this.trace.isTraced(gfn)));
    this.rmap.set({ entry, gfn, root: this.current.id, gva: (gva & ~PAGE_MASK) >>> 0 });
    this.parts.tlb.invalidatePage(gva);
    this.emit(ShadowOp.fill, gva, gpa, hpa, this.current);
  }

  /** The shadow table for a directory index, made when missing. @param pde undefined while guest paging is off */
  private tableFor(root: ShadowRoot, index: number, pde: number | undefined): ShadowTable {
    const known = root.tables.get(index);
    if (known !== undefined) return known;
    const { memory, vm, vcpu } = this.parts;
    const hpa = this.takeFrame();
    const signature = pde === undefined ? 0 : pdeSignature(pde, vcpu.state.cr4);
    const guestTable =
      pde === undefined || (signature & PTE_PS) !== 0 || !vm.hasFrame(pde >>> 12) ? undefined : pde >>> 12;
    const table: ShadowTable = { hpa, guestTable, guestPde: signature };
    root.tables.set(index, table);
    // Rights are decided at the leaf alone, so that one table entry says all.
    memory.write32(root.pd + index * 4, (hpa | PTE_P | PTE_W | PTE_U) >>> 0);
    if (guestTable !== undefined) this.startTrace(guestTable, { root: root.id, index });
    return table;
  }

  private startTrace(gfn: number, use: TableUse): void {
    if (!this.trace.add(gfn, use)) return;
    const { memory, tlb } = this.parts;
    for (const leaf of this.rmap.leavesOf(gfn)) {
      memory.write32(leaf.entry, memory.read32(leaf.entry) & ~PTE_W);
      if (leaf.root === this.roots.current?.id) tlb.invalidatePage(leaf.gva);
    }
    this.parts.events.emit(
      'shadow',
      ShadowOp.protect,
      NONE,
      gfn * PAGE_SIZE,
      this.parts.vm.gpaToHpa(gfn * PAGE_SIZE) ?? NONE,
      NONE,
    );
  }

  /** Write-protects a guest frame for another reason than page tables (the guest's GDT), until unprotectFrame. */
  protectFrame(gfn: number): void {
    if (this.parts.vm.hasFrame(gfn)) this.startTrace(gfn, OTHER_USE);
  }

  unprotectFrame(gfn: number): void {
    this.trace.remove(gfn, OTHER_USE);
  }

  guestRootChanged(): void {
    const { vm, vcpu, tlb } = this.parts;
    const key = rootKey(vcpu.state);
    let root = this.roots.find(key);
    if (root === undefined) {
      if (this.roots.size >= ROOT_LIMIT && this.roots.oldest !== undefined) this.dropRoot(this.roots.oldest);
      const gfn = key === 'identity' ? undefined : vcpu.state.cr3 >>> 12;
      root = this.roots.add(key, gfn, this.takeFrame());
      if (this.parts.windowPde !== undefined)
        this.parts.memory.write32(root.pd + WINDOW_INDEX * 4, this.parts.windowPde);
      this.roots.load(root);
      if (gfn !== undefined && vm.hasFrame(gfn)) this.startTrace(gfn, { root: root.id, index: DIRECTORY });
      this.emit(ShadowOp.newRoot, NONE, gfn === undefined ? NONE : gfn * PAGE_SIZE, root.pd, root);
    } else {
      this.roots.load(root);
      this.emit(
        ShadowOp.switchRoot,
        NONE,
        root.directory === undefined ? NONE : root.directory * PAGE_SIZE,
        root.pd,
        root,
      );
    }
    tlb.invalidateAll();
  }

  /** The shadow is never behind the guest's tables, so only the real TLB holds anything that could be stale. */
  invalidatePage(gva: number): void {
    this.parts.tlb.invalidatePage(gva);
  }

  guestWrote(gpa: number, size: number): void {
    const first = (gpa & ~3) >>> 0;
    for (let entryGpa = first; entryGpa < gpa + size; entryGpa += 4) {
      for (const use of this.trace.usesOf(entryGpa >>> 12)) {
        // An earlier use of the same write may have ended this one.
        const root = this.roots.get(use.root);
        if (root === undefined) continue;
        const index = (entryGpa & PAGE_MASK) >>> 2;
        if (use.index === DIRECTORY) this.syncDirectory(root, index, entryGpa);
        else this.syncTable(root, use.index, index, entryGpa);
      }
    }
  }

  private syncDirectory(root: ShadowRoot, index: number, entryGpa: number): void {
    const pde = this.parts.vm.read(entryGpa, 4);
    const table = root.tables.get(index);
    const same =
      table !== undefined &&
      table.guestTable !== undefined &&
      (pde & PTE_A) !== 0 &&
      pdeSignature(pde, this.pagingBits(root)) === table.guestPde;
    if (table === undefined || same) this.emit(ShadowOp.sync, (index << 22) >>> 0, entryGpa, table?.hpa ?? NONE, root);
    else this.zapTable(root, index, entryGpa);
    root.writes++;
    if (root !== this.roots.current && root.writes >= WRITES_BEFORE_DROP) this.dropRoot(root);
  }

  /** CR4 as far as the root's key knows it. */
  private pagingBits(root: ShadowRoot): number {
    return root.key.endsWith('pse') ? 0x10 : 0;
  }

  private syncTable(root: ShadowRoot, directoryIndex: number, index: number, entryGpa: number): void {
    const { memory, vm } = this.parts;
    const table = root.tables.get(directoryIndex);
    if (table === undefined) return;
    const gva = ((directoryIndex << 22) | (index << 12)) >>> 0;
    const entry = table.hpa + index * 4;
    const pte = vm.read(entryGpa, 4);
    const hpa = vm.gpaToHpa((pte & FRAME) >>> 0);
    const filled = this.rmap.leafAt(entry) !== undefined;
    if (filled && (pte & PTE_P) !== 0 && (pte & PTE_A) !== 0 && hpa !== undefined) {
      const gfn = pte >>> 12;
      memory.write32(entry, shadowEntry(hpa, tableMapping(table.guestPde, pte), this.trace.isTraced(gfn)));
      this.rmap.set({ entry, gfn, root: root.id, gva });
      this.emit(ShadowOp.sync, gva, entryGpa, hpa, root);
    } else if (filled) {
      this.clearLeaf(entry);
      this.emit(ShadowOp.zap, gva, entryGpa, NONE, root);
    } else {
      this.emit(ShadowOp.sync, gva, entryGpa, NONE, root);
    }
    if (root === this.roots.current) this.parts.tlb.invalidatePage(gva);
  }

  private clearLeaf(entry: number): void {
    this.parts.memory.write32(entry, 0);
    this.rmap.delete(entry);
  }

  private zapTable(root: ShadowRoot, index: number, entryGpa: number): void {
    this.removeTable(root, index);
    this.emit(ShadowOp.zap, (index << 22) >>> 0, entryGpa, NONE, root);
    if (root === this.roots.current) this.parts.tlb.invalidateAll();
  }

  private removeTable(root: ShadowRoot, index: number): void {
    const { memory, frames } = this.parts;
    const table = root.tables.get(index);
    if (table === undefined) return;
    memory.write32(root.pd + index * 4, 0);
    for (let entry = table.hpa; entry < table.hpa + PAGE_SIZE; entry += 4) this.rmap.delete(entry);
    frames.free(table.hpa);
    root.tables.delete(index);
    if (table.guestTable !== undefined) this.trace.remove(table.guestTable, { root: root.id, index });
  }

  private dropRoot(root: ShadowRoot): void {
    for (const index of [...root.tables.keys()]) this.removeTable(root, index);
    if (root.directory !== undefined) this.trace.remove(root.directory, { root: root.id, index: DIRECTORY });
    this.parts.frames.free(root.pd);
    this.roots.remove(root);
    this.emit(ShadowOp.zap, NONE, root.directory === undefined ? NONE : root.directory * PAGE_SIZE, root.pd, root);
  }

  /** A zeroed frame for a table; drops old roots, then the current root's tables, when the VMM's memory is used up. */
  private takeFrame(): number {
    for (;;) {
      try {
        const hpa = this.parts.frames.allocate(FrameOwner.vmm);
        this.parts.memory.writeBytes(hpa, new Uint8Array(PAGE_SIZE));
        return hpa;
      } catch (error) {
        if (!(error instanceof OutOfFrames)) throw error;
        if (this.roots.oldest !== undefined) this.dropRoot(this.roots.oldest);
        else if (!this.emptyCurrent()) throw error;
      }
    }
  }

  private emptyCurrent(): boolean {
    const root = this.roots.current;
    if (root === undefined || root.tables.size === 0) return false;
    for (const index of [...root.tables.keys()]) this.removeTable(root, index);
    this.parts.tlb.invalidateAll();
    this.emit(ShadowOp.zap, NONE, NONE, root.pd, root);
    return true;
  }

  private inWindow(gva: number): boolean {
    return this.parts.windowPde !== undefined && gva >>> 22 === WINDOW_INDEX;
  }

  private emit(op: number, gva: number, gpa: number, hpa: number, root: ShadowRoot): void {
    this.parts.events.emit(
      'shadow',
      op,
      gva,
      gpa,
      hpa,
      root.directory === undefined ? NONE : root.directory * PAGE_SIZE,
    );
  }

  pageTables(most: number): PageTableRow[] {
    return pageTableRows(guestTables(this.parts.vm, this.parts.vcpu.state), most, (gva) => this.shadowOf(gva));
  }

  /** The leaf entry of the current root for a GVA; of a 4 MiB guest page, that of its first 4 KiB. */
  private shadowOf(gva: number): SecondEntry {
    const table = this.roots.current?.tables.get(gva >>> 22);
    if (table === undefined) return { kind: 'shadow' };
    const address = table.hpa + ((gva >>> 10) & 0xffc);
    const entry = this.parts.memory.read32(address);
    if ((entry & PTE_P) === 0) return { kind: 'shadow', address };
    return { kind: 'shadow', address, entry, hpa: (entry & FRAME) >>> 0 };
  }

  save(): ShadowState {
    return { roots: this.roots.save(), leaves: this.rmap.save(), trace: this.trace.save() };
  }

  load(state: unknown): void {
    const saved = state as ShadowState; // made by save(); the hypervisor has checked the version
    this.roots.restore(saved.roots);
    this.rmap.load(saved.leaves);
    this.trace.load(saved.trace);
  }
}
