/** The VMX unit over host memory, without a processor around it, for tests. */
import { expect } from 'vitest';
import { HostMemory } from '../../../engine/memory';
import { CpuState } from '../../../engine/state';
import { CR0_NE, CR0_PE, CR0_PG, CR4_VMXE } from '../../../x86/paging-bits';
import { ExitControl, Pin, Primary } from '../../../x86/vmx/controls';
import { Field, type FieldName } from '../../../x86/vmx/fields';
import { VMCS_REVISION, adjustControls } from './capabilities';
import { type VectoredEvent, VmExit } from './interface';
import { Vmx } from './vmx';

export const VMXON = 0x1000;
export const VMCS = 0x2000;
export const FEATURES = { vmx: true, ept: true, vpid: true, unrestrictedGuest: true };
export const HOST_CR0 = (CR0_PG | CR0_NE | CR0_PE | 0x10) >>> 0;

export interface Bench {
  readonly vmx: Vmx;
  readonly state: CpuState;
  readonly memory: HostMemory;
  readonly flushes: (number | undefined)[];
  readonly delivered: VectoredEvent[];
  readonly eptReads: number[];
  set(fields: Partial<Record<FieldName, number>>): void;
  get(field: FieldName): number;
  onDeliver?: (event: VectoredEvent) => void;
}

export function bench(features = FEATURES): Bench {
  const memory = new HostMemory(0x40000);
  const state = CpuState.detached();
  state.cr0 = HOST_CR0;
  state.cr4 = CR4_VMXE;
  const flushes: (number | undefined)[] = [];
  const delivered: VectoredEvent[] = [];
  const eptReads: number[] = [];
  const vmx: Vmx = new Vmx({
    state,
    memory,
    features,
    flushTlb: (tag) => flushes.push(tag),
    flushTlbPage: () => {},
    stateReplaced: () => {},
    deliver: (event) => {
      delivered.push(event);
      b.onDeliver?.(event);
    },
    eptReference: (level) => eptReads.push(level),
  });
  const b: Bench = {
    vmx,
    state,
    memory,
    flushes,
    delivered,
    eptReads,
    set(fields) {
      for (const [name, value] of Object.entries(fields)) {
        expect(vmx.vmwrite(Field[name as FieldName], value)).toEqual({ ok: true });
      }
    },
    get(field) {
      const read = vmx.vmread(Field[field]);
      if (!read.ok) throw new Error(`VMREAD ${field} failed`);
      return read.value;
    },
  };
  memory.write32(VMXON, VMCS_REVISION);
  memory.write32(VMCS, VMCS_REVISION);
  return b;
}

export const CODE = 0xc09b;
export const DATA = 0xc093;

/** In root operation with a VMCS that passes every check: a flat ring-0 guest with paging on. */
export function ready(features = FEATURES): Bench {
  const b = bench(features);
  expect(b.vmx.vmxon(VMXON)).toEqual({ ok: true });
  expect(b.vmx.vmclear(VMCS)).toEqual({ ok: true });
  expect(b.vmx.vmptrld(VMCS)).toEqual({ ok: true });
  b.set({
    pinBasedControls: adjustControls('pinBasedControls', Pin.externalInterruptExiting),
    primaryControls: adjustControls('primaryControls', Primary.hltExiting),
    exitControls: adjustControls('exitControls', ExitControl.acknowledgeInterrupt),
    entryControls: adjustControls('entryControls', 0),
    vmcsLinkPointer: 0xffffffff,
    hostCr0: HOST_CR0,
    hostCr3: 0x7000,
    hostCr4: CR4_VMXE,
    hostCsSelector: 0x08,
    hostSsSelector: 0x10,
    hostDsSelector: 0x10,
    hostTrSelector: 0x18,
    hostRip: 0xffc00000,
    hostRsp: 0xffc01000,
    guestCr0: HOST_CR0,
    guestCr3: 0x5000,
    guestCr4: CR4_VMXE,
    guestRip: 0x100000,
    guestRsp: 0x9000,
    guestRflags: 0x202,
    guestCsSelector: 8,
    guestCsAccessRights: CODE,
    guestCsLimit: 0xffffffff,
    guestSsSelector: 0x10,
    guestSsAccessRights: DATA,
    guestSsLimit: 0xffffffff,
    guestDsAccessRights: DATA,
    guestDsLimit: 0xffffffff,
    guestEsAccessRights: 0x10000,
    guestFsAccessRights: 0x10000,
    guestGsAccessRights: 0x10000,
    guestLdtrAccessRights: 0x10000,
    guestTrAccessRights: 0x8b,
    guestTrLimit: 0x67,
  });
  expect(b.vmx.vmwrite(Field.vmcsLinkPointer + 1, 0xffffffff)).toEqual({ ok: true });
  return b;
}

export function thrown(act: () => void): VmExit {
  try {
    act();
  } catch (error) {
    if (error instanceof VmExit) return error;
    throw error;
  }
  throw new Error('no VM exit');
}
