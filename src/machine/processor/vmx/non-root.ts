/**
 * What exits in VMX non-root operation: the VM-execution controls of the running guest and the decisions that follow from
 * them (Intel SDM 3C, "VMX Non-Root Operation": "Instructions That Cause VM Exits", "Other Causes of VM Exits", "Changes
 * to Instruction Behavior in VMX Non-Root Operation").
 */
import type { CpuState } from '../../../engine/state';
import { PF } from '../../../x86/exceptions';
import { CR0_PE, CR0_TS } from '../../../x86/paging-bits';
import { ExitControl, Pin, Primary, Secondary } from '../../../x86/vmx/controls';
import { ExitReason, type ExitReasonNumber } from '../../../x86/vmx/exit-reasons';
import { packInterruption } from '../../../x86/vmx/interruption';
import { CrAccessType, packCrAccess, packDrAccess, packIoAccess } from '../../../x86/vmx/qualification';
import { EventType, type InterceptedInstruction, type PortAccess, type VectoredEvent, VmExit } from './interface';
import type { PhysicalMemory, Vmcs } from './vmcs';

/** Exit reason of an instruction, and the control that makes it exit; without one it always exits. */
const INSTRUCTIONS: Readonly<
  Record<InterceptedInstruction, readonly [reason: ExitReasonNumber, field?: 'primary' | 'secondary', bit?: number]>
> = {
  cpuid: [ExitReason.cpuid],
  hlt: [ExitReason.hlt, 'primary', Primary.hltExiting],
  invd: [ExitReason.invd],
  invlpg: [ExitReason.invlpg, 'primary', Primary.invlpgExiting],
  rdpmc: [ExitReason.rdpmc, 'primary', Primary.rdpmcExiting],
  rdtsc: [ExitReason.rdtsc, 'primary', Primary.rdtscExiting],
  rdtscp: [ExitReason.rdtscp, 'primary', Primary.rdtscExiting],
  vmcall: [ExitReason.vmcall],
  vmclear: [ExitReason.vmclear],
  vmlaunch: [ExitReason.vmlaunch],
  vmptrld: [ExitReason.vmptrld],
  vmptrst: [ExitReason.vmptrst],
  vmread: [ExitReason.vmread],
  vmresume: [ExitReason.vmresume],
  vmwrite: [ExitReason.vmwrite],
  vmxoff: [ExitReason.vmxoff],
  vmxon: [ExitReason.vmxon],
  invept: [ExitReason.invept],
  invvpid: [ExitReason.invvpid],
  // There are no MSR bitmaps, so every access exits.
  rdmsr: [ExitReason.rdmsr],
  wrmsr: [ExitReason.wrmsr],
  mwait: [ExitReason.mwait, 'primary', Primary.mwaitExiting],
  monitor: [ExitReason.monitor, 'primary', Primary.monitorExiting],
  pause: [ExitReason.pause, 'primary', Primary.pauseExiting],
  wbinvd: [ExitReason.wbinvd, 'secondary', Secondary.wbinvdExiting],
  xsetbv: [ExitReason.xsetbv],
  taskSwitch: [ExitReason.taskSwitch],
  gdtrOrIdtr: [ExitReason.gdtrOrIdtr, 'secondary', Secondary.descriptorTableExiting],
  ldtrOrTr: [ExitReason.ldtrOrTr, 'secondary', Secondary.descriptorTableExiting],
};

/** CR0 bits that LMSW can write: PE, MP, EM, TS. */
const LMSW_BITS = 0xf;

/** The controls of one guest, read from its VMCS at VM entry. */
export class NonRoot {
  private readonly pin: number;
  private readonly primary: number;
  /** Zero while "activate secondary controls" is clear. */
  private readonly secondary: number;
  private readonly exitControls: number;
  private readonly exceptionBitmap: number;
  private readonly errorMask: number;
  private readonly errorMatch: number;
  private readonly cr0Mask: number;
  private readonly cr0Shadow: number;
  private readonly cr4Mask: number;
  private readonly cr4Shadow: number;
  private readonly bitmapA: number;
  private readonly bitmapB: number;
  /** The VPID, or 0 without "enable VPID". */
  readonly vpid: number;
  /** HPA of the level-4 EPT table, undefined without "enable EPT". */
  readonly eptRoot: number | undefined;

  constructor(
    vmcs: Vmcs,
    private readonly state: CpuState,
    private readonly memory: PhysicalMemory,
  ) {
    this.pin = vmcs.get('pinBasedControls');
    this.primary = vmcs.get('primaryControls');
    this.secondary = (this.primary & Primary.activateSecondary) === 0 ? 0 : vmcs.get('secondaryControls');
    this.exitControls = vmcs.get('exitControls');
    this.exceptionBitmap = vmcs.get('exceptionBitmap');
    this.errorMask = vmcs.get('pageFaultErrorMask');
    this.errorMatch = vmcs.get('pageFaultErrorMatch');
    this.cr0Mask = vmcs.get('cr0Mask');
    this.cr0Shadow = vmcs.get('cr0ReadShadow');
    this.cr4Mask = vmcs.get('cr4Mask');
    this.cr4Shadow = vmcs.get('cr4ReadShadow');
    this.bitmapA = vmcs.get('ioBitmapA');
    this.bitmapB = vmcs.get('ioBitmapB');
    this.vpid = (this.secondary & Secondary.enableVpid) === 0 ? 0 : vmcs.get('vpid');
    this.eptRoot =
      (this.secondary & Secondary.enableEpt) === 0 ? undefined : Number(vmcs.get64('eptPointer') & 0xf_ffff_f000n);
  }

  get unrestricted(): boolean {
    return (this.secondary & Secondary.unrestrictedGuest) !== 0;
  }

  intercept(instruction: InterceptedInstruction, qualification: number, linear: number | undefined): void {
    const [reason, field, bit = 0] = INSTRUCTIONS[instruction];
    if (field !== undefined && ((field === 'primary' ? this.primary : this.secondary) & bit) === 0) return;
    throw new VmExit(reason, qualification, { guestLinear: linear });
  }

  port(access: PortAccess): void {
    if ((this.primary & Primary.useIoBitmaps) !== 0) {
      if (!this.portInBitmap(access.port, access.size)) return;
    } else if ((this.primary & Primary.unconditionalIoExiting) === 0) {
      return;
    }
    const { port, size, direction, string = false, rep = false, immediate = false, linear } = access;
    const qualification = packIoAccess({ port, size, direction, string, rep, immediate });
    throw new VmExit(ExitReason.io, qualification, { guestLinear: linear });
  }

  /** True when any of the ports accessed has its bit set, and for an access that wraps around port 0xFFFF. */
  private portInBitmap(port: number, size: number): boolean {
    if (port + size > 0x10000) return true;
    for (let p = port; p < port + size; p++) {
      const table = p < 0x8000 ? this.bitmapA : this.bitmapB;
      const word = this.memory.read32(table + (((p & 0x7fff) >>> 5) << 2));
      if (((word >>> (p & 31)) & 1) !== 0) return true;
    }
    return false;
  }

  readControl(register: 0 | 3 | 4, gpr: number | undefined): number {
    if (register === 3) {
      if ((this.primary & Primary.cr3StoreExiting) !== 0) {
        throw controlExit({ register, type: CrAccessType.moveFrom, gpr: gpr ?? 0 });
      }
      return this.state.cr3;
    }
    return register === 0
      ? visible(this.state.cr0, this.cr0Mask, this.cr0Shadow)
      : visible(this.state.cr4, this.cr4Mask, this.cr4Shadow);
  }

  writeControl(register: 0 | 3 | 4, value: number, gpr: number): number {
    const exit = (): VmExit => controlExit({ register, type: CrAccessType.moveTo, gpr });
    if (register === 3) {
      if ((this.primary & Primary.cr3LoadExiting) !== 0) throw exit();
      return value;
    }
    const [mask, shadow, real] =
      register === 0 ? [this.cr0Mask, this.cr0Shadow, this.state.cr0] : [this.cr4Mask, this.cr4Shadow, this.state.cr4];
    if (((value ^ shadow) & mask) !== 0) throw exit();
    return ((value & ~mask) | (real & mask)) >>> 0;
  }

  clts(): boolean {
    if ((this.cr0Mask & CR0_TS) === 0) return true;
    if ((this.cr0Shadow & CR0_TS) !== 0) throw controlExit({ type: CrAccessType.clts });
    return false;
  }

  lmsw(source: number, memory: number | undefined): number {
    // PE can only be set by LMSW, so a clear PE in the source never differs.
    const differing = (source ^ this.cr0Shadow) & LMSW_BITS & this.cr0Mask & ((source & CR0_PE) === 0 ? ~CR0_PE : ~0);
    if (differing !== 0) {
      const access = { type: CrAccessType.lmsw, memory: memory !== undefined, source: source & 0xffff };
      throw new VmExit(ExitReason.controlRegister, packCrAccess(access), { guestLinear: memory });
    }
    const written = LMSW_BITS & ~this.cr0Mask;
    const cr0 = this.state.cr0;
    return ((cr0 & ~written) | (source & written) | (cr0 & CR0_PE)) >>> 0;
  }

  debugRegister(register: number, direction: 'to' | 'from', gpr: number): void {
    if ((this.primary & Primary.movDrExiting) === 0) return;
    throw new VmExit(ExitReason.movDr, packDrAccess({ register, direction, gpr }));
  }

  exception(event: VectoredEvent, linear: number | undefined): void {
    let exits = ((this.exceptionBitmap >>> event.vector) & 1) !== 0;
    if (event.vector === PF && event.type === EventType.hardwareException) {
      // The match inverts the bit's meaning (SDM, "Exception Bitmap").
      if (((event.errorCode ?? 0) & this.errorMask) !== this.errorMatch) exits = !exits;
    }
    if (!exits) return;
    const interruption = packInterruption(event.vector, event.type, event.errorCode !== undefined);
    throw new VmExit(ExitReason.exceptionOrNmi, event.vector === PF ? (linear ?? 0) : 0, {
      interruption,
      errorCode: event.errorCode,
    });
  }

  /** @param open EFLAGS.IF is set and nothing blocks interrupts */
  interruptWindow(open: boolean): void {
    if (open && (this.primary & Primary.interruptWindowExiting) !== 0) throw new VmExit(ExitReason.interruptWindow);
  }

  externalInterrupt(acknowledge: () => number): void {
    if ((this.pin & Pin.externalInterruptExiting) === 0) return;
    const acknowledged = (this.exitControls & ExitControl.acknowledgeInterrupt) !== 0;
    const interruption = acknowledged ? packInterruption(acknowledge(), EventType.externalInterrupt, false) : 0;
    throw new VmExit(ExitReason.externalInterrupt, 0, { interruption });
  }
}

function visible(real: number, mask: number, shadow: number): number {
  return ((real & ~mask) | (shadow & mask)) >>> 0;
}

function controlExit(access: Parameters<typeof packCrAccess>[0]): VmExit {
  return new VmExit(ExitReason.controlRegister, packCrAccess(access));
}
