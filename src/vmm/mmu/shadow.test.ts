import { describe, expect, it } from 'vitest';
import { HostMemory } from '../../engine/memory';
import { FaultClass, ShadowOp } from '../../machine/event-kinds';
import { EventStream } from '../../machine/events';
import { Platform } from '../../machine/platform';
import { PF_PRESENT, PF_USER, PF_WRITE } from '../../x86/exceptions';
import { CR0_PE, CR0_PG, CR0_WP, CR4_PSE, PTE_A, PTE_D, PTE_P, PTE_PS, PTE_U, PTE_W } from '../../x86/paging-bits';
import { FrameOwner, HostFrames } from '../frames';
import { HandlerRunner } from '../handler';
import { Vcpu } from '../vcpu';
import { Vm } from '../vm';
import type { PageFaultVerdict } from './mmu';
import { ShadowMmu } from './shadow';

const PD = 0x10000;
const PT = 0x11000;
const PD2 = 0x12000;
const DATA = 0x20000;
const GVA = 0x00400000;
const WRITABLE = PTE_P | PTE_W | PTE_U;

/** A VM of 1 MiB whose guest has a directory at PD, a table at PT and one page, DATA at GVA; counts flushed pages. */
function guest(hostFrames = 512) {
  const memory = new HostMemory(hostFrames * 4096);
  const frames = new HostFrames(memory.size);
  frames.allocate(FrameOwner.vmm);
  const platform = new Platform({ now: () => 0, output: () => {}, requested: () => {}, exit: () => {} });
  const vm = new Vm(0, 0x100000, memory, frames, platform);
  const vcpu = new Vcpu(0, 0);
  const events = new EventStream({ vm: 0, vcpu: 0, cpl: 0, step: 0, count: 0, ip: 0, cycle: 0 });
  const flushed: (number | 'all')[] = [];
  const tlb = { invalidatePage: (page: number) => flushed.push(page), invalidateAll: () => flushed.push('all') };
  const parts = { memory, frames, vm, vcpu, events, tlb, windowPde: 0x1003 };
  const mmu = new ShadowMmu(parts);
  vm.onGuestWrite((gpa, size) => mmu.guestWrote(gpa, size));
  vm.write(PD + 4, 4, PT | WRITABLE);
  vm.write(PT, 4, DATA | WRITABLE);
  vcpu.state.cr0 = (CR0_PE | CR0_PG | CR0_WP) >>> 0;
  vcpu.state.cr3 = PD;
  mmu.guestRootChanged();
  const fault = (gva: number, code: number): PageFaultVerdict => HandlerRunner.run(mmu.handlePageFault(gva, code));
  /** What the hardware would find in the shadow: the leaf entry, 0 when nothing. */
  const leaf = (gva: number): number => {
    const pde = memory.read32(mmu.root() + (gva >>> 22) * 4);
    return (pde & PTE_P) === 0 ? 0 : memory.read32((pde & ~0xfff) + ((gva >>> 12) & 0x3ff) * 4);
  };
  const classes = () =>
    events
      .newest(100, (e) => e.kind === 'fault')
      .map((e) => e.fields.class)
      .reverse();
  const ops = () =>
    events
      .newest(100, (e) => e.kind === 'shadow')
      .map((e) => e.fields.op)
      .reverse();
  return { memory, frames, vm, vcpu, events, mmu, parts, fault, leaf, flushed, classes, ops };
}

describe('a hidden fault', () => {
  it('fills the shadow entry and sets A in the guest entries, as the walk of its hardware would', () => {
    const g = guest();
    expect(g.fault(GVA + 5, PF_USER)).toEqual({ kind: 'hidden' });
    expect(g.leaf(GVA)).toBe((g.vm.gpaToHpa(DATA) ?? 0) | PTE_P | PTE_U);
    expect(g.vm.read(PT, 4)).toBe(DATA | WRITABLE | PTE_A);
    expect(g.vm.read(PD + 4, 4)).toBe(PT | WRITABLE | PTE_A);
    expect(g.classes()).toEqual([FaultClass.hidden]);
  });

  it('leaves a clean page read-only until the first write, which sets D', () => {
    const g = guest();
    g.fault(GVA, PF_USER);
    expect(g.leaf(GVA) & PTE_W).toBe(0);
    expect(g.fault(GVA, PF_USER | PF_WRITE | PF_PRESENT)).toEqual({ kind: 'hidden' });
    expect(g.leaf(GVA) & PTE_W).toBe(PTE_W);
    expect(g.vm.read(PT, 4) & PTE_D).toBe(PTE_D);
  });

  it('maps a frame that is not the guest frame number', () => {
    const g = guest();
    g.fault(GVA, 0);
    expect(g.leaf(GVA) & ~0xfff).not.toBe(DATA);
  });
});

describe('a true fault', () => {
  it('carries the error code of the guest tables, not that of the shadow', () => {
    const g = guest();
    g.vm.write(PT, 4, DATA | PTE_P | PTE_U);
    // The shadow has nothing yet, so the real error code says "not present".
    const verdict = g.fault(GVA, PF_USER | PF_WRITE);
    expect(verdict.kind === 'true' && verdict.fault.errorCode).toBe(PF_USER | PF_WRITE | PF_PRESENT);
    expect(g.classes()).toEqual([FaultClass.true]);
  });

  it('is one for an unmapped page, and changes nothing', () => {
    const g = guest();
    const verdict = g.fault(0x00800000, PF_USER);
    expect(verdict.kind === 'true' && [verdict.fault.errorCode, verdict.fault.linear]).toEqual([PF_USER, 0x00800000]);
    expect(g.mmu.rmap.size).toBe(0);
  });

  it('keeps ring 3 out of supervisor pages', () => {
    const g = guest();
    g.vm.write(PT, 4, DATA | PTE_P | PTE_W);
    expect(g.fault(GVA, PF_USER).kind).toBe('true');
    expect(g.fault(GVA, 0).kind).toBe('hidden');
    expect(g.leaf(GVA) & PTE_U).toBe(0);
  });
});

describe('write traces', () => {
  it('protect a guest table in every root that maps it, also pages that were writable before', () => {
    const g = guest();
    // The guest maps its own page table at GVA + 0x1000, and has written there before it became a table.
    g.vm.write(PD2, 4, PT | WRITABLE);
    g.vm.write(PT + 4, 4, PT | WRITABLE | PTE_A | PTE_D);
    expect(g.fault(GVA + 0x1000, PF_WRITE).kind).toBe('hidden');
    // Filling made PT a traced frame at once, so the entry for it is read-only.
    expect(g.leaf(GVA + 0x1000) & PTE_W).toBe(0);
    expect(g.fault(GVA + 0x1000, PF_WRITE | PF_PRESENT).kind).toBe('trace');
    expect(g.classes()).toEqual([FaultClass.hidden, FaultClass.trace]);
  });

  it('take the write permission away from a page that becomes a directory, in the other root too', () => {
    const g = guest();
    g.vm.write(PT + 8, 4, PD2 | WRITABLE);
    g.fault(GVA + 0x2000, PF_WRITE);
    expect(g.leaf(GVA + 0x2000) & PTE_W).toBe(PTE_W);
    g.vcpu.state.cr3 = PD2;
    g.mmu.guestRootChanged();
    g.vcpu.state.cr3 = PD;
    g.mmu.guestRootChanged();
    expect(g.leaf(GVA + 0x2000) & PTE_W).toBe(0);
  });

  it('end with the use: a frame that is no table any more becomes writable at the next hidden fault', () => {
    const g = guest();
    g.vm.write(PT + 4, 4, PT | WRITABLE);
    g.fault(GVA + 0x1000, 0);
    g.vm.write(PD + 8, 4, PT | WRITABLE); // a second way to PT as a table, not yet used
    g.vm.write(PD + 4, 4, 0);
    expect(g.mmu.trace.frames).toEqual([PD >>> 12]);
  });
});

describe('eager sync', () => {
  it('zaps the entry of a page that the guest unmaps, and flushes it', () => {
    const g = guest();
    g.fault(GVA, 0);
    g.flushed.length = 0;
    g.vm.write(PT, 4, 0);
    expect(g.leaf(GVA)).toBe(0);
    expect(g.flushed).toEqual([GVA]);
    expect(g.ops()).toEqual([ShadowOp.protect, ShadowOp.newRoot, ShadowOp.protect, ShadowOp.fill, ShadowOp.zap]);
    expect(g.fault(GVA, 0).kind).toBe('true');
  });

  it('redirects an entry whose page the guest moves', () => {
    const g = guest();
    g.fault(GVA, 0);
    g.vm.write(PT, 4, (DATA + 0x1000) | WRITABLE | PTE_A | PTE_D);
    expect(g.leaf(GVA)).toBe((g.vm.gpaToHpa(DATA + 0x1000) ?? 0) | PTE_P | PTE_W | PTE_U);
    expect(g.ops().at(-1)).toBe(ShadowOp.sync);
  });

  it('lets the guest see A set again after it cleared it', () => {
    const g = guest();
    g.fault(GVA, 0);
    g.vm.write(PT, 4, DATA | WRITABLE);
    expect(g.leaf(GVA)).toBe(0);
    g.fault(GVA, 0);
    expect(g.vm.read(PT, 4) & PTE_A).toBe(PTE_A);
  });

  it('finds a byte write into the middle of an entry', () => {
    const g = guest();
    g.fault(GVA, 0);
    g.vm.write(PT + 1, 1, (DATA + 0x3000) >>> 8);
    expect(g.leaf(GVA) & ~0xfff).toBe(g.vm.gpaToHpa(DATA + 0x3000));
  });

  it('drops a whole table when its directory entry changes', () => {
    const g = guest();
    g.fault(GVA, 0);
    const before = g.frames.count(FrameOwner.vmm);
    g.vm.write(PD + 4, 4, PT | PTE_P | PTE_A);
    expect(g.leaf(GVA)).toBe(0);
    expect(g.frames.count(FrameOwner.vmm)).toBe(before - 1);
    g.fault(GVA, 0);
    expect(g.leaf(GVA) & (PTE_W | PTE_U)).toBe(0);
  });
});

describe('roots', () => {
  it('are cached: going back to a directory finds its shadow filled', () => {
    const g = guest();
    g.fault(GVA, 0);
    g.vcpu.state.cr3 = PD2;
    g.mmu.guestRootChanged();
    expect(g.leaf(GVA)).toBe(0);
    g.vcpu.state.cr3 = PD;
    g.mmu.guestRootChanged();
    expect(g.leaf(GVA)).not.toBe(0);
    expect(g.ops().slice(-1)).toEqual([ShadowOp.switchRoot]);
  });

  it('that are not loaded follow the edits of the guest tables', () => {
    const g = guest();
    g.fault(GVA, 0);
    g.vcpu.state.cr3 = PD2;
    g.mmu.guestRootChanged();
    g.vm.write(PT, 4, 0);
    g.vcpu.state.cr3 = PD;
    g.mmu.guestRootChanged();
    expect(g.leaf(GVA)).toBe(0);
  });

  it('are dropped when their directory is written like an ordinary page', () => {
    const g = guest();
    g.vcpu.state.cr3 = PD2;
    g.mmu.guestRootChanged();
    for (let i = 0; i < 16; i++) g.vm.write(PD + 0x100 + i * 4, 4, 0);
    expect(g.mmu.roots.size).toBe(1);
    expect(g.mmu.trace.isTraced(PD >>> 12)).toBe(false);
  });

  it('hold the window of the VMM', () => {
    const g = guest();
    expect(g.memory.read32(g.mmu.root() + 1023 * 4)).toBe(0x1003);
  });

  it('with paging off map every GVA to the GPA of the same number', () => {
    const g = guest();
    g.vcpu.state.cr0 = CR0_PE;
    g.mmu.guestRootChanged();
    g.fault(DATA, PF_WRITE);
    expect(g.leaf(DATA)).toBe((g.vm.gpaToHpa(DATA) ?? 0) | PTE_P | PTE_W | PTE_U);
  });
});

describe('special pages', () => {
  it('splits a 4 MiB page, and keeps it read-only until D is set', () => {
    const g = guest();
    g.vcpu.state.cr4 = CR4_PSE;
    g.vm.write(PD + 8, 4, WRITABLE | PTE_PS);
    g.mmu.guestRootChanged();
    g.fault(0x00800000 + DATA, 0);
    expect(g.leaf(0x00800000 + DATA)).toBe((g.vm.gpaToHpa(DATA) ?? 0) | PTE_P | PTE_U);
    g.fault(0x00800000 + DATA, PF_WRITE);
    expect(g.vm.read(PD + 8, 4) & (PTE_A | PTE_D)).toBe(PTE_A | PTE_D);
    expect(g.leaf(0x00800000 + DATA) & PTE_W).toBe(PTE_W);
  });

  it('emulates a supervisor write to a read-only page while the guest has CR0.WP = 0', () => {
    const g = guest();
    g.vcpu.state.cr0 = (CR0_PE | CR0_PG) >>> 0;
    g.vm.write(PT, 4, DATA | PTE_P);
    expect(g.fault(GVA, PF_WRITE).kind).toBe('trace');
    expect(g.leaf(GVA) & PTE_W).toBe(0);
    g.vcpu.state.cr0 = (CR0_PE | CR0_PG | CR0_WP) >>> 0;
    expect(g.fault(GVA, PF_WRITE).kind).toBe('true');
  });

  it('emulates accesses where no RAM is', () => {
    const g = guest();
    g.vm.write(PT, 4, 0x8000000 | WRITABLE);
    expect(g.fault(GVA, 0).kind).toBe('trace');
    expect(g.classes()).toEqual([FaultClass.mmio]);
  });
});

describe('memory and saves', () => {
  it('makes room by dropping old roots when the frames of the VMM run out', () => {
    // 256 frames of guest memory, one reserved, and room for three tables: a root and one table each do not fit twice.
    const g = guest(256 + 1 + 3);
    g.fault(GVA, 0);
    g.vm.write(PD2 + 4, 4, PT | WRITABLE);
    g.vcpu.state.cr3 = PD2;
    g.mmu.guestRootChanged();
    expect(g.fault(GVA, 0).kind).toBe('hidden');
    expect(g.leaf(GVA)).not.toBe(0);
    expect(g.mmu.roots.size).toBe(1);
  });

  it('goes on after a load as after the save', () => {
    const g = guest();
    g.fault(GVA, PF_WRITE);
    const saved = structuredClone({ mmu: g.mmu.save(), frames: g.frames.save() });
    const again = new ShadowMmu(g.parts);
    again.load(saved.mmu);
    expect(again.root()).toBe(g.mmu.root());
    again.guestWrote(PT, 4);
    expect(again.save().leaves).toEqual(g.mmu.save().leaves);
    expect(again.trace.isTraced(PT >>> 12)).toBe(true);
  });

  it('shows guest and shadow entries side by side', () => {
    const g = guest();
    g.vm.write(PT + 4, 4, (DATA + 0x1000) | WRITABLE);
    g.fault(GVA, 0);
    const rows = g.mmu.pageTables(10);
    expect(rows.map((r) => [r.gva, r.gpa, r.second.hpa])).toEqual([
      [GVA, DATA, g.vm.gpaToHpa(DATA)],
      [GVA + 0x1000, DATA + 0x1000, undefined],
    ]);
  });
});
