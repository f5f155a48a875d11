/** A minimal processor around the engine for tests: flat segments, and a page map with a TLB instead of page tables. */
import { GuestFault, PF, PF_PRESENT, PF_USER, PF_WRITE } from '../x86/exceptions';
import { CS, DS, ES, FS, GS, SS } from '../x86/registers';
import type { Access, EngineHost, Translation } from './access';
import { Engine, type EngineOptions } from './engine';
import { HostMemory } from './memory';
import { AR_DB, AR_G, AR_P, AR_S, type CpuState } from './state';
import { Tlb, TLB_DIRTY, TLB_USER, TLB_WRITABLE } from './tlb';

export interface TestPage {
  readonly hpaPage: number;
  readonly writable: boolean;
  readonly user: boolean;
}

/** Flat ring-0 segments, 4 GiB each. */
export function flatSegments(state: CpuState): void {
  state.setSegment(CS, 0x08, AR_P | AR_S | AR_DB | AR_G | 11, 0, 0xffffffff);
  for (const segment of [DS, ES, FS, GS, SS] as const) {
    state.setSegment(segment, 0x10, AR_P | AR_S | AR_DB | AR_G | 3, 0, 0xffffffff);
  }
}

export class BenchMachine implements EngineHost {
  readonly memory: HostMemory;
  readonly state: CpuState;
  readonly tlb: Tlb;
  readonly engine: Engine;
  /** Linear page number to page; when undefined, linear is physical. */
  pages: Map<number, TestPage> | undefined;
  /** One line per TLB fill and eviction. */
  readonly log: string[] = [];

  constructor(ram = 1 << 20, options: EngineOptions = {}, tlbEntries = 16) {
    this.memory = new HostMemory(ram);
    this.state = this.memory.state();
    this.state.eflags = 2;
    this.tlb = new Tlb(tlbEntries);
    this.engine = new Engine(this.memory, this.state, this, this.tlb, options);
    flatSegments(this.state);
    this.engine.modeChanged();
  }

  /** Maps `count` linear pages from `linear` on to host pages from `hpa` on. */
  map(linear: number, hpa: number, count: number, writable = true, user = true): void {
    this.pages ??= new Map();
    for (let i = 0; i < count; i++) {
      this.pages.set((linear >>> 12) + i, { hpaPage: (hpa >>> 12) + i, writable, user });
    }
  }

  translate(linear: number, access: Access, supervisor: boolean): Translation {
    if (this.pages === undefined) return { hpa: linear, writable: true, user: true, fast: true };
    const user = this.state.cpl === 3 && !supervisor;
    let slot = this.tlb.lookup(linear, 0);
    const usable = (flags: number): boolean =>
      (!user || (flags & TLB_USER) !== 0) &&
      (access !== 'write' || (flags & (TLB_WRITABLE | TLB_DIRTY)) === (TLB_WRITABLE | TLB_DIRTY));
    if (slot < 0 || !usable(this.tlb.flags(slot))) {
      const page = this.pages.get(linear >>> 12);
      if (page === undefined || (user && !page.user) || (access === 'write' && !page.writable)) {
        const code = (page === undefined ? 0 : PF_PRESENT) | (access === 'write' ? PF_WRITE : 0) | (user ? PF_USER : 0);
        this.log.push(`fault ${linear.toString(16)} ${code}`);
        throw new GuestFault(PF, code, linear);
      }
      const flags =
        (page.writable ? TLB_WRITABLE : 0) | (page.user ? TLB_USER : 0) | (access === 'write' ? TLB_DIRTY : 0);
      const evicted = this.tlb.insert(linear, 0, page.hpaPage, flags);
      this.log.push(`fill ${(linear >>> 12).toString(16)} ${access} evicted ${evicted}`);
      slot = this.tlb.lookup(linear, 0);
    }
    const flags = this.tlb.flags(slot);
    return {
      hpa: this.tlb.hpa(slot, linear),
      writable: (flags & TLB_WRITABLE) !== 0 && (flags & TLB_DIRTY) !== 0,
      user: (flags & TLB_USER) !== 0,
      fast: true,
    };
  }

  /** Puts code at a host address and EIP there. */
  place(hpa: number, code: Uint8Array | readonly number[], eip = hpa): void {
    this.memory.writeBytes(hpa, Uint8Array.from(code));
    this.state.eip = eip;
  }
}
