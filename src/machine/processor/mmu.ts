/**
 * The memory management unit of the real processor: the architectural TLB in front of the page walk, natively, over a
 * VMM's shadow tables (no difference to the hardware) and, in VMX non-root operation, over the EPT.
 */
import type { EngineHost, Translation } from '../../engine/access';
import type { HostMemory } from '../../engine/memory';
import type { CpuState } from '../../engine/state';
import { TLB_DIRTY, TLB_GLOBAL, TLB_LARGE, TLB_USER, TLB_WRITABLE, type Tlb } from '../../engine/tlb';
import { GuestFault } from '../../x86/exceptions';
import { CR0_PG, CR0_WP, CR4_PGE, CR4_PSE } from '../../x86/paging-bits';
import { NONE, TlbOp } from '../event-kinds';
import type { EventStream } from '../events';
import type { SecondStage, SecondStageTranslation } from './vmx/interface';
import { type MemoryAccess, type PhysicalSpace, type Walk, type WalkTrace, walk } from './walker';

/** walkRef dimensions. */
const GUEST = 0;
const HOST = 1;

/** What the MMU reads of the VMX unit. */
export interface MmuStage {
  readonly tag: number;
  readonly secondStage: SecondStage | undefined;
}

/** The one answer object, reused: the engine reads it at once. */
interface MutableTranslation extends Translation {
  hpa: number;
  writable: boolean;
  user: boolean;
}

export class Mmu implements EngineHost {
  /** The VMX unit, where the profile has one. */
  stage: MmuStage | undefined;
  private readonly answer: MutableTranslation = { hpa: 0, writable: true, user: true, fast: true };
  private readonly trace: WalkTrace;

  constructor(
    private readonly state: CpuState,
    private readonly memory: HostMemory,
    private readonly tlb: Tlb,
    private readonly events: EventStream,
  ) {
    this.trace = (level, address, value) => events.emit('walkRef', GUEST, level, address, value);
  }

  translate(linear: number, access: MemoryAccess, supervisor: boolean): Translation {
    const paging = (this.state.cr0 & CR0_PG) !== 0;
    const second = this.stage?.secondStage;
    if (!paging && second === undefined) return this.give(linear, true, true);
    const user = !supervisor && this.state.cpl === 3;
    const tag = this.stage?.tag ?? 0;
    const slot = this.tlb.lookup(linear, tag);
    if (slot >= 0) {
      const flags = this.tlb.flags(slot);
      if (this.allows(flags, access, user)) return this.giveEntry(this.tlb.hpa(slot, linear), flags, user);
      // Not enough rights, or the first write: the hardware walks again before it faults or sets D.
    } else this.events.emit('tlb', TlbOp.miss, tag, linear >>> 12);
    let flags: number;
    let hpa: number;
    try {
      [hpa, flags] =
        second === undefined ? this.walkNative(linear, access, user) : this.walkNested(second, linear, access, user);
    } catch (fault) {
      // A page fault also drops what the TLB holds of the page (SDM 3A, "Operations that Invalidate TLBs").
      if (fault instanceof GuestFault && slot >= 0) this.flushPage(linear);
      throw fault;
    }
    this.enter(linear, tag, hpa, flags);
    return this.giveEntry(hpa, flags, user);
  }

  private give(hpa: number, writable: boolean, user: boolean): Translation {
    this.answer.hpa = hpa;
    this.answer.writable = writable;
    this.answer.user = user;
    return this.answer;
  }

  private giveEntry(hpa: number, flags: number, user: boolean): Translation {
    return this.give(hpa, this.allows(flags, 'write', user), (flags & TLB_USER) !== 0);
  }

  /** May the access use an entry with these flags as it stands? A write needs D set already. */
  private allows(flags: number, access: MemoryAccess, user: boolean): boolean {
    if (user && (flags & TLB_USER) === 0) return false;
    if (access !== 'write') return true;
    if ((flags & TLB_DIRTY) === 0) return false;
    return (flags & TLB_WRITABLE) !== 0 || (!user && (this.state.cr0 & CR0_WP) === 0);
  }

  private walkNative(linear: number, access: MemoryAccess, user: boolean): [hpa: number, flags: number] {
    const found = walk(this.memorySpace, this.state, linear, access, user, this.trace);
    return [found.pa, entryFlags(found, found.large)];
  }

  private readonly memorySpace: PhysicalSpace = {
    read32: (hpa) => this.memory.read32(hpa),
    write32: (hpa, value) => this.memory.write32(hpa, value),
  };

  /** The two-dimensional walk: guest table references and the final address each go through the EPT. */
  private walkNested(
    second: SecondStage,
    linear: number,
    access: MemoryAccess,
    user: boolean,
  ): [hpa: number, flags: number] {
    const space: PhysicalSpace = {
      read32: (gpa) => this.memory.read32(second.translate(gpa, 'read', linear, true).hpa),
      write32: (gpa, value) => this.memory.write32(second.translate(gpa, 'write', linear, true).hpa, value),
    };
    const found = walk(space, this.state, linear, access, user, this.trace);
    const host = second.translate(found.pa, access, linear, false);
    return [host.hpa, nestedFlags(found, host)];
  }

  private enter(linear: number, tag: number, hpa: number, flags: number): void {
    const isLarge = (flags & TLB_LARGE) !== 0;
    const hpaPage = isLarge ? (hpa >>> 22) << 10 : hpa >>> 12;
    const evicted = this.tlb.insert(linear, tag, hpaPage, flags);
    if (evicted >= 0) this.events.emit('tlb', TlbOp.evict, tag, evicted);
    this.events.emit('tlb', TlbOp.fill, tag, linear >>> 12);
  }

  /** One reference of the nested dimension, from the EPT walk. */
  nestedReference(level: number, address: number, value: number): void {
    this.events.emit('walkRef', HOST, level, address, value);
  }

  // Flushes.

  /** INVLPG in the current tag. */
  flushPage(linear: number, tag = this.stage?.tag ?? 0): void {
    this.tlb.flushPage(linear, tag);
    this.events.emit('tlb', TlbOp.flushPage, tag, linear >>> 12);
  }

  flushTag(tag: number, keepGlobal: boolean): void {
    this.tlb.flushTag(tag, keepGlobal);
    this.events.emit('tlb', TlbOp.flushTag, tag, NONE);
  }

  flushAll(): void {
    this.tlb.flushAll();
    this.events.emit('tlb', TlbOp.flushAll, 0, NONE);
  }

  /**
   * What a write to a control register flushes (SDM 3A, "Operations that Invalidate TLBs and Paging-Structure Caches"):
   * CR3 all but global pages; CR0 everything when PG changes; CR4 everything when PGE or PSE changes.
   */
  controlRegisterWritten(register: 0 | 3 | 4, old: number): void {
    const tag = this.stage?.tag ?? 0;
    const { cr0, cr4 } = this.state;
    if (register === 3) this.flushTag(tag, (cr4 & CR4_PGE) !== 0);
    else if (register === 0 && ((cr0 ^ old) & CR0_PG) !== 0) this.flushTag(tag, false);
    else if (register === 4 && ((cr4 ^ old) & (CR4_PGE | CR4_PSE)) !== 0) this.flushTag(tag, false);
  }
}

function entryFlags(found: Walk, large: boolean): number {
  return (
    (found.writable ? TLB_WRITABLE : 0) |
    (found.user ? TLB_USER : 0) |
    (found.dirty ? TLB_DIRTY : 0) |
    (found.global ? TLB_GLOBAL : 0) |
    (large ? TLB_LARGE : 0)
  );
}

/**
 * A combined GVA-to-HPA entry is always 4 KiB. Where the EPT forbids writes it is entered as not dirty, so that a write
 * walks again and finds the violation, whatever CR0.WP is.
 */
function nestedFlags(found: Walk, host: SecondStageTranslation): number {
  const flags = entryFlags(found, false);
  return host.writable ? flags : flags & ~TLB_DIRTY;
}
