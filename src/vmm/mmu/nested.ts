/**
 * Nested paging: the guest keeps its own tables and CR3, and a 4-level EPT in host frames maps GPA to HPA (Intel SDM 3C,
 * "The Extended Page Table Mechanism (EPT)"). It is filled lazily, one 4 KiB page per EPT violation.
 */
import type { HostMemory } from '../../engine/memory';
import { FaultClass, NONE } from '../../machine/event-kinds';
import type { EventStream } from '../../machine/events';
import { pageTableRows } from '../../machine/guest-tables';
import type { PageTableRow, SecondEntry } from '../../machine/guest-view';
import type { PagingRegisters } from '../../machine/processor/walker';
import { GuestFault, PF_USER, PF_WRITE } from '../../x86/exceptions';
import { PAGE_MASK, PAGE_SIZE } from '../../x86/paging-bits';
import {
  EPT_ENTRY_BYTES,
  EPT_LEVELS,
  EPT_RWX,
  eptIndex,
  eptLeafEntry,
  eptTableEntry,
  readEptEntry,
} from '../../x86/vmx/ept';
import { FrameOwner, type HostFrames } from '../frames';
import { type Handler, step } from '../handler';
import type { Vcpu } from '../vcpu';
import type { Vm } from '../vm';
import { guestTables, walkGuest } from './guest-space';
import type { MmuTechnique, PageFaultVerdict, RealTlb } from './mmu';

export interface NestedParts {
  readonly memory: HostMemory;
  readonly frames: HostFrames;
  readonly vm: Vm;
  readonly vcpu: Vcpu;
  readonly events: EventStream;
  readonly tlb: RealTlb;
  /** The guest's own registers at this moment; while it runs, it changes them without an exit. */
  registers(): PagingRegisters;
}

export interface NestedState {
  /** HPA of the level-4 table; what it leads to lies in host memory. */
  readonly root: number;
}

/** What became of an EPT violation: the page is mapped now, or no RAM backs the GPA and the access must be emulated. */
export type EptVerdict = 'filled' | 'outside';

export class NestedMmu implements MmuTechnique {
  readonly name = 'nested';
  private top: number;

  constructor(private readonly parts: NestedParts) {
    this.top = this.newTable();
  }

  root(): number {
    return this.top;
  }

  /**
   * Maps the page of a GPA that the EPT lacks.
   * @param qualification of the EPT-violation exit
   * @param gva the guest-linear address, undefined where the exit has none
   */
  *handleViolation(gpa: number, qualification: number, gva: number | undefined): Handler<EptVerdict> {
    const { vm, events } = this.parts;
    const page = gpa - (gpa & PAGE_MASK);
    const hpa = vm.gpaToHpa(page);
    yield step('look the GPA up in the physical map', { gpa, hpa: hpa ?? 'no RAM' });
    if (hpa === undefined) {
      events.emit('fault', FaultClass.mmio, gva ?? NONE, gpa, qualification);
      return 'outside';
    }
    events.emit('fault', FaultClass.ept, gva ?? NONE, gpa, qualification);
    const table = this.leafTable(page);
    const address = table + eptIndex(page, 1) * EPT_ENTRY_BYTES;
    const entry = eptLeafEntry(hpa, EPT_RWX);
    yield step('fill the EPT entry', { address, entry: Number(entry) });
    this.parts.memory.write64(address, entry);
    return 'filled';
  }

  /** The level-1 table of a GPA, with the tables above it, made where they are missing. */
  private leafTable(gpa: number): number {
    const { memory } = this.parts;
    let table = this.top;
    for (let level = EPT_LEVELS; level > 1; level--) {
      const address = table + eptIndex(gpa, level) * EPT_ENTRY_BYTES;
      const entry = memory.read64(address);
      if (entry === 0n) {
        table = this.newTable();
        memory.write64(address, eptTableEntry(table));
      } else {
        table = readEptEntry(entry).address;
      }
    }
    return table;
  }

  private newTable(): number {
    const hpa = this.parts.frames.allocate(FrameOwner.vmm);
    this.parts.memory.writeBytes(hpa, new Uint8Array(PAGE_SIZE));
    return hpa;
  }

  /**
   * The guest handles its page faults itself and none exits, so one that arrives here all the same is the guest's own,
   * or (when its tables allow the access by now) a stale translation that a second attempt will not meet.
   */
  *handlePageFault(gva: number, errorCode: number): Handler<PageFaultVerdict> {
    const { vm, vcpu } = this.parts;
    const access = (errorCode & PF_WRITE) !== 0 ? 'write' : 'read';
    yield step('walk the guest tables', { gva, errorCode });
    try {
      walkGuest(vm, vcpu, gva, access, (errorCode & PF_USER) !== 0);
      return { kind: 'hidden' };
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      return { kind: 'true', fault: error };
    }
  }

  /** An emulated write of CR0, CR3 or CR4: the EPT stays, cached translations of the guest's tables go. */
  guestRootChanged(): void {
    this.parts.tlb.invalidateAll();
  }

  invalidatePage(gva: number): void {
    this.parts.tlb.invalidatePage(gva);
  }

  /** Guest memory is mapped, not copied, so a write changes nothing here. */
  guestWrote(): void {}

  pageTables(most: number): PageTableRow[] {
    return pageTableRows(guestTables(this.parts.vm, this.parts.registers()), most, (_gva, gpa) => this.entryOf(gpa));
  }

  /** The EPT leaf entry of a GPA; without an address while a table above it is missing. */
  private entryOf(gpa: number): SecondEntry {
    const { memory } = this.parts;
    let table = this.top;
    for (let level = EPT_LEVELS; level > 1; level--) {
      const entry = memory.read64(table + eptIndex(gpa, level) * EPT_ENTRY_BYTES);
      if (entry === 0n) return { kind: 'nested' };
      table = readEptEntry(entry).address;
    }
    const address = table + eptIndex(gpa, 1) * EPT_ENTRY_BYTES;
    const entry = memory.read64(address);
    if (entry === 0n) return { kind: 'nested', address };
    return { kind: 'nested', address, entry: Number(entry), hpa: readEptEntry(entry).address };
  }

  save(): NestedState {
    return { root: this.top };
  }

  load(state: unknown): void {
    this.top = (state as NestedState).root; // made by save(); the hypervisor has checked the version
  }
}
