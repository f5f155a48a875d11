/**
 * The virtual processor's registers between the VMM's record, the VMCS and the real processor: read after a VM exit,
 * written before a VM entry. What the VMCS does not hold (general registers, CR2, debug registers) stays in the real
 * processor across exits.
 */
import { type CpuState, OFF } from '../../../engine/state';
import { GUEST_SEGMENTS, GUEST_WORDS } from '../../../machine/processor/vmx/state-areas';
import { RSP } from '../../../x86/registers';
import { type ControlMasks, realCr0, realCr4, virtualRegister } from './control-registers';
import type { VmcsAccess } from './vmcs-access';

const GPRS = 8;
/** DR0 to DR3 and DR6; DR7 lies in the VMCS. */
const DEBUG_REGISTERS = [0, 1, 2, 3, 6];

/** Registers that a VM exit leaves in the processor, from one state block to another; ESP is not among them. */
export function copyUnsaved(from: CpuState, to: CpuState): void {
  for (let i = 0; i < GPRS; i++) if (i !== RSP) to.setGpr(i, from.gpr(i));
  to.cr2 = from.cr2;
  for (const n of DEBUG_REGISTERS) to.setWord(OFF.dr + n * 8, from.word(OFF.dr + n * 8));
}

/**
 * After a VM exit: the virtual state from the VMCS and the real registers.
 * @param ownCr3 CR3 is the guest's own (nested paging); otherwise the record's value stands
 */
export function readVcpu(
  vmcs: VmcsAccess,
  real: CpuState,
  state: CpuState,
  masks: ControlMasks,
  ownCr3: boolean,
): void {
  copyUnsaved(real, state);
  for (const [field, offset] of GUEST_WORDS) state.setWord(offset, vmcs.read(field));
  for (const s of GUEST_SEGMENTS) {
    state.setSegment(
      s.segment,
      vmcs.read(s.selector),
      vmcs.read(s.accessRights),
      vmcs.read(s.base),
      vmcs.read(s.limit),
    );
  }
  state.cpl = (vmcs.read('guestSsAccessRights') >>> 5) & 3;
  state.setGpr(RSP, vmcs.read('guestRsp'));
  state.eip = vmcs.read('guestRip');
  state.eflags = vmcs.read('guestRflags');
  state.cr0 = virtualRegister(vmcs.read('guestCr0'), vmcs.read('cr0ReadShadow'), masks.cr0);
  state.cr4 = virtualRegister(vmcs.read('guestCr4'), vmcs.read('cr4ReadShadow'), masks.cr4);
  if (ownCr3) state.cr3 = vmcs.read('guestCr3');
}

/**
 * Before a VM entry: the virtual state into the VMCS and the real registers.
 * @param cr3 the value for the real CR3
 */
export function writeVcpu(vmcs: VmcsAccess, real: CpuState, state: CpuState, masks: ControlMasks, cr3: number): void {
  copyUnsaved(state, real);
  for (const [field, offset] of GUEST_WORDS) vmcs.write(field, state.word(offset));
  for (const s of GUEST_SEGMENTS) {
    vmcs.write(s.selector, state.selector(s.segment));
    vmcs.write(s.base, state.base(s.segment));
    vmcs.write(s.limit, state.limit(s.segment));
    vmcs.write(s.accessRights, state.attributes(s.segment));
  }
  vmcs.writeAll({
    guestRsp: state.gpr(RSP),
    guestRip: state.eip,
    guestRflags: state.eflags,
    guestCr0: realCr0(state.cr0, masks),
    cr0ReadShadow: state.cr0,
    guestCr4: realCr4(state.cr4, masks),
    cr4ReadShadow: state.cr4,
    guestCr3: cr3,
  });
}

/** Words that both blocks share while the guest runs. */
const RUNNING = [...GUEST_WORDS.map(([, offset]) => offset), OFF.cpl, OFF.cr2, OFF.cr3];

/** While the guest runs: its registers from the real processor, as it believes them to be. CR3 is the real one. */
export function viewRunning(
  real: CpuState,
  vmcs: { cr0Shadow: number; cr4Shadow: number },
  masks: ControlMasks,
  view: CpuState,
): void {
  copyUnsaved(real, view);
  view.setGpr(RSP, real.gpr(RSP));
  for (const offset of RUNNING) view.setWord(offset, real.word(offset));
  for (const { segment } of GUEST_SEGMENTS) {
    view.setSegment(segment, real.selector(segment), real.attributes(segment), real.base(segment), real.limit(segment));
  }
  view.eip = real.eip;
  view.eflags = real.eflags;
  view.cr0 = virtualRegister(real.cr0, vmcs.cr0Shadow, masks.cr0);
  view.cr4 = virtualRegister(real.cr4, vmcs.cr4Shadow, masks.cr4);
}
