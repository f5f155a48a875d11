/** The VMCS of a virtual processor as the VMM sets it up once: controls by mmu technique, and the host state. */
import { ExitControl, Pin, Primary, Secondary } from '../../../x86/vmx/controls';
import { eptPointer } from '../../../x86/vmx/ept';
import { PF } from '../../../x86/exceptions';
import { adjustControls } from '../../../machine/processor/vmx/capabilities';
import { CONTROL_MASKS } from './control-registers';
import { HOST_CODE, HOST_DATA, HOST_TSS, type HostSpace } from './host-space';
import type { VmcsAccess } from './vmcs-access';

export interface VmcsSetup {
  readonly mmu: 'shadow' | 'nested';
  /** Tag of the guest's translations, 1 to 65535; undefined on processors without VPID. */
  readonly vpid: number | undefined;
  /** HPA of the top EPT table; used with nested paging. */
  readonly eptRoot: number;
  readonly host: HostSpace;
  readonly hostCr0: number;
  readonly hostCr4: number;
}

/** What exits under every mmu technique: the VMM emulates devices and time, and shows the guest a processor of its own. */
const ALWAYS = Primary.hltExiting | Primary.unconditionalIoExiting | Primary.movDrExiting;
/** Under shadow paging the VMM also follows the guest's table roots and flushes. */
const SHADOW = Primary.cr3LoadExiting | Primary.cr3StoreExiting | Primary.invlpgExiting;

export function primaryControls(setup: Pick<VmcsSetup, 'mmu' | 'vpid'>): number {
  const secondary = setup.mmu === 'nested' || setup.vpid !== undefined ? Primary.activateSecondary : 0;
  return adjustControls('primaryControls', ALWAYS | (setup.mmu === 'shadow' ? SHADOW : 0) | secondary);
}

/** Writes controls and host state into the current VMCS. */
export function setUpVmcs(vmcs: VmcsAccess, setup: VmcsSetup): void {
  const { mmu, vpid, host } = setup;
  const nested = mmu === 'nested';
  vmcs.writeAll({
    pinBasedControls: adjustControls('pinBasedControls', Pin.externalInterruptExiting),
    primaryControls: primaryControls(setup),
    exitControls: adjustControls('exitControls', ExitControl.acknowledgeInterrupt),
    entryControls: adjustControls('entryControls', 0),
    // Every page fault is the VMM's to judge under shadow paging, none under nested paging.
    exceptionBitmap: nested ? 0 : 1 << PF,
    pageFaultErrorMask: 0,
    pageFaultErrorMatch: 0,
    cr3TargetCount: 0,
    exitMsrStoreCount: 0,
    exitMsrLoadCount: 0,
    entryMsrLoadCount: 0,
    entryInterruption: 0,
    cr0Mask: CONTROL_MASKS[mmu].cr0,
    cr4Mask: CONTROL_MASKS[mmu].cr4,
    guestPendingDebug: 0,
  });
  if (nested || vpid !== undefined) {
    vmcs.write(
      'secondaryControls',
      adjustControls(
        'secondaryControls',
        (nested ? Secondary.enableEpt | Secondary.unrestrictedGuest : 0) |
          (vpid === undefined ? 0 : Secondary.enableVpid),
      ),
    );
  }
  if (vpid !== undefined) vmcs.write('vpid', vpid);
  if (nested) vmcs.writeWide('eptPointer', eptPointer(setup.eptRoot));
  vmcs.writeWide('vmcsLinkPointer', 0xffff_ffff_ffff_ffffn);
  vmcs.writeAll({
    hostCr0: setup.hostCr0,
    hostCr3: host.cr3,
    hostCr4: setup.hostCr4,
    hostCsSelector: HOST_CODE,
    hostSsSelector: HOST_DATA,
    hostDsSelector: HOST_DATA,
    hostEsSelector: HOST_DATA,
    hostFsSelector: 0,
    hostGsSelector: 0,
    hostTrSelector: HOST_TSS,
    hostFsBase: 0,
    hostGsBase: 0,
    hostTrBase: host.tss,
    hostGdtrBase: host.gdt,
    hostIdtrBase: host.idtBase,
    hostSysenterCs: 0,
    hostSysenterEsp: 0,
    hostSysenterEip: 0,
    hostRsp: host.stackTop,
    hostRip: host.entry,
  });
}
