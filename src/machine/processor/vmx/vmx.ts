/**
 * The VMX unit: VMX operation, the current VMCS, VM entries and VM exits (Intel SDM 3C, "VMX Instruction Reference", "VM
 * Entries", "VM Exits"). A level-0 VMM calls the instructions as methods; a guest hypervisor's instructions will end here
 * too. All state lies in the state block and in VMCS regions in memory, so nothing needs saving beside them.
 */
import { type CpuState, OFF } from '../../../engine/state';
import { GP, GuestFault, UD } from '../../../x86/exceptions';
import { FLAG_IF } from '../../../x86/flags';
import { CR0_PE, CR0_PG, CR4_VMXE } from '../../../x86/paging-bits';
import { EXIT_REASON_ENTRY_FAILURE, ExitReason } from '../../../x86/vmx/exit-reasons';
import { type FieldEncoding, fieldInfo } from '../../../x86/vmx/fields';
import { VmxError, type VmxErrorNumber } from '../../../x86/vmx/instruction-errors';
import { INTERRUPTION_VALID, packInterruption, unpackInterruption } from '../../../x86/vmx/interruption';
import { CR0_FIXED0, CR4_FIXED0, VMCS_BYTES, VMCS_REVISION, type VmxFeatures, capabilityMsrs } from './capabilities';
import { type EntryFailure, EntrySubject, checkControls, checkHostState } from './entry-checks';
import { type EptReference, EptWalk } from './ept-walk';
import { checkGuestState } from './guest-checks';
import {
  EventType,
  type EventTypeNumber,
  type InterceptedInstruction,
  type PortAccess,
  type SecondStage,
  type VectoredEvent,
  VmExit,
  type VmxUnit,
} from './interface';
import { NonRoot } from './non-root';
import { loadGuestState, loadHostState, saveGuestState } from './state-areas';
import { type PhysicalMemory, Vmcs } from './vmcs';

/** What the VMX unit uses of the processor around it. */
export interface VmxSurroundings {
  readonly state: CpuState;
  readonly memory: PhysicalMemory;
  readonly features: VmxFeatures;
  /** Drops the TLB's translations of a tag, or of every tag when undefined. */
  flushTlb(tag: number | undefined, keepGlobal: boolean): void;
  flushTlbPage(linear: number, tag: number): void;
  /** The registers of the state block were replaced by a VM entry or exit: mode, address space and CPL may differ. */
  stateReplaced(): void;
  /** Delivers an injected event through the guest's IDT, escalation included. @throws VmExit */
  deliver(event: VectoredEvent): void;
  /** An entry of an EPT table was read. */
  readonly eptReference: EptReference;
}

export const VmxMode = { off: 0, root: 1, nonRoot: 2 } as const;

/** How a VMX instruction ended: VMsucceed, VMfailInvalid (no error number) or VMfailValid. */
export type VmxResult = { readonly ok: true } | { readonly ok: false; readonly error?: VmxErrorNumber };

/** How VMLAUNCH or VMRESUME ended. */
export type EntryResult =
  /** The guest runs. */
  | { readonly kind: 'entered' }
  /** No entry: control goes on behind the instruction. */
  | { readonly kind: 'failed'; readonly error?: VmxErrorNumber; readonly failure?: EntryFailure }
  /** The host state has been loaded again: an exit during injection, or (with failure) invalid guest state. */
  | { readonly kind: 'exited'; readonly failure?: EntryFailure };

/** "No current VMCS", low word. */
const NO_VMCS = 0xffff_ffff;
const DONE: VmxResult = { ok: true };
const MOV_SS_BLOCKING = 2;
const BLOCKING = 3;

/** INVVPID types. */
export const Invvpid = { address: 0, single: 1, all: 2, singleKeepGlobal: 3 } as const;

export class Vmx implements VmxUnit {
  private nonRoot: NonRoot | undefined;
  private stage: SecondStage | undefined;
  /** The event whose delivery through the IDT is under way. */
  private delivering: VectoredEvent | undefined;
  private capabilities: ReadonlyMap<number, bigint> | undefined;

  constructor(private readonly around: VmxSurroundings) {}

  get mode(): number {
    return this.around.state.word(OFF.vmxMode);
  }

  get inNonRoot(): boolean {
    return this.mode === VmxMode.nonRoot;
  }

  /** HPA of the current VMCS, undefined when there is none. */
  get currentVmcs(): number | undefined {
    const pointer = this.around.state.word(OFF.currentVmcs);
    return this.mode === VmxMode.off || pointer === NO_VMCS ? undefined : pointer;
  }

  /** Call after the state block or memory was replaced by a load: what is derived from them is computed anew. */
  reload(): void {
    this.delivering = undefined;
    this.nonRoot = undefined;
    this.stage = undefined;
    const vmcs = this.current();
    if (this.inNonRoot && vmcs !== undefined) this.readControls(vmcs);
  }

  /** A VMX capability MSR (0x480 to 0x491), undefined when this processor has no such one. */
  capability(msr: number): bigint | undefined {
    this.capabilities ??= capabilityMsrs(this.around.features);
    return this.capabilities.get(msr);
  }

  // VMX instructions, in root operation (or, VMXON, outside VMX operation).

  /** @throws GuestFault #UD without CR4.VMXE, #GP when CR0 or CR4 lack the bits that VMX operation fixes */
  vmxon(region: number): VmxResult {
    const { state, memory, features } = this.around;
    if (!features.vmx || (state.cr4 & CR4_VMXE) === 0) throw new GuestFault(UD);
    if (this.mode !== VmxMode.off) return this.fail(VmxError.vmxonInRoot);
    if (state.cpl !== 0 || !hasBits(state.cr0, CR0_FIXED0) || !hasBits(state.cr4, CR4_FIXED0))
      throw new GuestFault(GP, 0);
    if (!this.isRegion(region) || memory.read32(region) >>> 0 !== VMCS_REVISION) return { ok: false };
    state.setWord(OFF.vmxonPointer, region);
    state.setWord(OFF.currentVmcs, NO_VMCS);
    state.setWord(OFF.vmxMode, VmxMode.root);
    return DONE;
  }

  vmxoff(): VmxResult {
    this.requireRoot();
    this.around.state.setWord(OFF.vmxMode, VmxMode.off);
    this.around.state.setWord(OFF.currentVmcs, NO_VMCS);
    this.nonRoot = undefined;
    this.stage = undefined;
    return DONE;
  }

  vmclear(region: number): VmxResult {
    this.requireRoot();
    if (!this.isRegion(region)) return this.fail(VmxError.vmclearInvalidAddress);
    if (region === this.around.state.word(OFF.vmxonPointer)) return this.fail(VmxError.vmclearVmxonPointer);
    new Vmcs(this.around.memory, region).launched = false;
    if (region === this.currentVmcs) this.around.state.setWord(OFF.currentVmcs, NO_VMCS);
    return DONE;
  }

  vmptrld(region: number): VmxResult {
    this.requireRoot();
    if (!this.isRegion(region)) return this.fail(VmxError.vmptrldInvalidAddress);
    if (region === this.around.state.word(OFF.vmxonPointer)) return this.fail(VmxError.vmptrldVmxonPointer);
    if (new Vmcs(this.around.memory, region).revision !== VMCS_REVISION)
      return this.fail(VmxError.vmptrldWrongRevision);
    this.around.state.setWord(OFF.currentVmcs, region);
    return DONE;
  }

  /** The current-VMCS pointer, all ones when there is none. */
  vmptrst(): bigint {
    this.requireRoot();
    const pointer = this.currentVmcs;
    return pointer === undefined ? 0xffff_ffff_ffff_ffffn : BigInt(pointer);
  }

  /** 32 bits of a field; an odd encoding reads the high half of a 64-bit field. */
  vmread(encoding: FieldEncoding): { readonly ok: true; readonly value: number } | Exclude<VmxResult, { ok: true }> {
    this.requireRoot();
    const vmcs = this.current();
    if (vmcs === undefined) return { ok: false };
    const value = vmcs.getEncoded(encoding);
    return value === undefined ? this.fail(VmxError.unsupportedField) : { ok: true, value };
  }

  vmwrite(encoding: FieldEncoding, value: number): VmxResult {
    this.requireRoot();
    const vmcs = this.current();
    if (vmcs === undefined) return { ok: false };
    if (fieldInfo(encoding & ~1)?.readOnly === true) return this.fail(VmxError.readOnlyField);
    return vmcs.setEncoded(encoding, value) ? DONE : this.fail(VmxError.unsupportedField);
  }

  vmlaunch(): EntryResult {
    return this.enter(true);
  }

  vmresume(): EntryResult {
    return this.enter(false);
  }

  /** INVVPID; linear counts for type `address` only. */
  invvpid(type: number, vpid: number, linear = 0): VmxResult {
    this.requireRoot();
    if (!this.around.features.vpid) throw new GuestFault(UD);
    if (type > Invvpid.singleKeepGlobal || (vpid === 0 && type !== Invvpid.all)) {
      return this.fail(VmxError.invalidInveptOrInvvpidOperand);
    }
    if (type === Invvpid.address) this.around.flushTlbPage(linear, vpid);
    else this.around.flushTlb(type === Invvpid.all ? undefined : vpid, type === Invvpid.singleKeepGlobal);
    return DONE;
  }

  /** INVEPT of any type: the TLB does not keep which EPT a translation came through, so all are dropped, which is allowed. */
  invept(): VmxResult {
    this.requireRoot();
    if (!this.around.features.ept) throw new GuestFault(UD);
    this.around.flushTlb(undefined, false);
    return DONE;
  }

  // VM entry and exit.

  private enter(launch: boolean): EntryResult {
    this.requireRoot();
    const { state, features } = this.around;
    const vmcs = this.current();
    if (vmcs === undefined) return { kind: 'failed' };
    const failed = (error: VmxErrorNumber, failure?: EntryFailure): EntryResult => {
      this.fail(error);
      return { kind: 'failed', error, failure };
    };
    if ((state.word(OFF.interruptibility) & MOV_SS_BLOCKING) !== 0) return failed(VmxError.entryBlockedByMovSs);
    if (launch && vmcs.launched) return failed(VmxError.vmlaunchNotClear);
    if (!launch && !vmcs.launched) return failed(VmxError.vmresumeNotLaunched);
    const subject = new EntrySubject(vmcs, features);
    const controls = checkControls(subject);
    if (controls !== undefined) return failed(VmxError.entryInvalidControls, controls);
    const host = checkHostState(subject);
    if (host !== undefined) return failed(VmxError.entryInvalidHostState, host);
    const guest = checkGuestState(subject);
    if (guest !== undefined) {
      vmcs.set('exitReason', (ExitReason.entryFailureGuestState | EXIT_REASON_ENTRY_FAILURE) >>> 0);
      vmcs.set('exitQualification', 0);
      this.loadHost(vmcs);
      return { kind: 'exited', failure: guest };
    }

    loadGuestState(vmcs, state);
    vmcs.launched = true;
    state.setWord(OFF.vmxMode, VmxMode.nonRoot);
    this.readControls(vmcs);
    if (this.tag === 0) this.around.flushTlb(0, false);
    this.around.stateReplaced();
    return this.inject(vmcs);
  }

  private inject(vmcs: Vmcs): EntryResult {
    const event = unpackInterruption(vmcs.get('entryInterruption'));
    if (event === undefined) return { kind: 'entered' };
    const length = event.type >= EventType.softwareInterrupt ? vmcs.get('entryInstructionLength') : undefined;
    try {
      this.around.deliver({
        vector: event.vector,
        // Reserved types fail the entry checks.
        type: event.type as EventTypeNumber,
        errorCode: event.hasErrorCode ? vmcs.get('entryErrorCode') : undefined,
        length,
      });
    } catch (error) {
      if (!(error instanceof VmExit)) throw error;
      this.exit(error, length ?? 0);
      return { kind: 'exited' };
    }
    return { kind: 'entered' };
  }

  exit(exit: VmExit, instructionLength: number): void {
    const vmcs = this.current();
    // Only non-root execution throws VmExit, and it has a current VMCS.
    if (vmcs === undefined || !this.inNonRoot)
      throw new Error(`VM exit ${exit.reason} outside VMX non-root operation.`);
    const { interruption = 0, errorCode = 0, guestLinear = 0, guestPhysical = 0 } = exit.detail;
    vmcs.set('exitReason', exit.reason);
    vmcs.set('exitQualification', exit.qualification);
    vmcs.set('guestLinearAddress', guestLinear);
    vmcs.set64('guestPhysicalAddress', BigInt(guestPhysical));
    vmcs.set('exitInterruption', interruption);
    vmcs.set('exitErrorCode', errorCode);
    const during = exit.reason === ExitReason.tripleFault ? undefined : this.delivering;
    this.delivering = undefined;
    vmcs.set(
      'idtVectoring',
      during === undefined ? 0 : packInterruption(during.vector, during.type, during.errorCode !== undefined),
    );
    vmcs.set('idtVectoringErrorCode', during?.errorCode ?? 0);
    vmcs.set('exitInstructionLength', during?.length ?? instructionLength);
    saveGuestState(vmcs, this.around.state);
    vmcs.set('entryInterruption', (vmcs.get('entryInterruption') & ~INTERRUPTION_VALID) >>> 0);
    this.loadHost(vmcs);
  }

  private loadHost(vmcs: Vmcs): void {
    const untagged = this.tag === 0;
    this.nonRoot = undefined;
    this.stage = undefined;
    loadHostState(vmcs, this.around.state);
    this.around.state.setWord(OFF.vmxMode, VmxMode.root);
    if (untagged) this.around.flushTlb(0, false);
    this.around.stateReplaced();
  }

  // What the processor asks.

  get tag(): number {
    return this.nonRoot?.vpid ?? 0;
  }

  get secondStage(): SecondStage | undefined {
    return this.stage;
  }

  intercept(instruction: InterceptedInstruction, qualification = 0, linear?: number): void {
    this.nonRoot?.intercept(instruction, qualification, linear);
  }

  port(access: PortAccess): void {
    this.nonRoot?.port(access);
  }

  readControl(register: 0 | 3 | 4, gpr?: number): number {
    const { state } = this.around;
    if (this.nonRoot !== undefined) return this.nonRoot.readControl(register, gpr);
    return register === 0 ? state.cr0 : register === 3 ? state.cr3 : state.cr4;
  }

  writeControl(register: 0 | 3 | 4, value: number, gpr: number): number {
    const written = this.nonRoot?.writeControl(register, value, gpr) ?? value;
    if (this.mode === VmxMode.off || register === 3) return written;
    const free = this.nonRoot?.unrestricted === true ? CR0_PG | CR0_PE : 0;
    const fixed = register === 0 ? (CR0_FIXED0 & ~free) >>> 0 : CR4_FIXED0;
    if (!hasBits(written, fixed)) throw new GuestFault(GP, 0);
    return written;
  }

  clts(): boolean {
    return this.nonRoot?.clts() ?? true;
  }

  lmsw(source: number, memory?: number): number {
    if (this.nonRoot !== undefined) return this.nonRoot.lmsw(source, memory);
    const { cr0 } = this.around.state;
    return ((cr0 & ~0xe) | (source & 0xf)) >>> 0;
  }

  debugRegister(register: number, direction: 'to' | 'from', gpr: number): void {
    this.nonRoot?.debugRegister(register, direction, gpr);
  }

  exception(event: VectoredEvent, linear?: number): void {
    this.nonRoot?.exception(event, linear);
  }

  beginDelivery(event: VectoredEvent): void {
    this.delivering = event;
  }

  endDelivery(): void {
    this.delivering = undefined;
  }

  tripleFault(): void {
    if (this.inNonRoot) throw new VmExit(ExitReason.tripleFault);
  }

  interruptWindow(): void {
    const { state } = this.around;
    const open = (state.word(OFF.flagsSystem) & FLAG_IF) !== 0 && (state.word(OFF.interruptibility) & BLOCKING) === 0;
    this.nonRoot?.interruptWindow(open);
  }

  externalInterrupt(acknowledge: () => number): void {
    this.nonRoot?.externalInterrupt(acknowledge);
  }

  private current(): Vmcs | undefined {
    const pointer = this.currentVmcs;
    return pointer === undefined ? undefined : new Vmcs(this.around.memory, pointer);
  }

  private readControls(vmcs: Vmcs): void {
    const { state, memory } = this.around;
    this.nonRoot = new NonRoot(vmcs, state, memory);
    const root = this.nonRoot.eptRoot;
    this.stage = root === undefined ? undefined : new EptWalk(memory, root, this.around.eptReference);
  }

  /** @throws GuestFault #UD outside VMX operation; in non-root operation the instruction should have exited */
  private requireRoot(): void {
    if (this.mode !== VmxMode.root) throw new GuestFault(UD);
  }

  /** VMfailValid with this number when there is a current VMCS, else VMfailInvalid. */
  private fail(error: VmxErrorNumber): { readonly ok: false; readonly error?: VmxErrorNumber } {
    const vmcs = this.current();
    if (vmcs === undefined) return { ok: false };
    vmcs.set('instructionError', error);
    return { ok: false, error };
  }

  private isRegion(address: number): boolean {
    return address % VMCS_BYTES === 0 && address >= 0 && address + VMCS_BYTES <= this.around.memory.size;
  }
}

function hasBits(value: number, bits: number): boolean {
  return (value & bits) >>> 0 === bits >>> 0;
}
