/**
 * A virtual processor's record: the state that the guest believes its processor to have. While the guest runs, part of it
 * lives in the real processor; the cpu technique copies it in and out.
 */
import { CpuState, OFF } from '../engine/state';
import { FLAG_IF } from '../x86/flags';

export interface VcpuState {
  readonly block: Uint8Array;
}

/** VMX interruptibility-state bits. */
const STI_OR_MOV_SS = 3;
const ACTIVE = 0;
const HALTED = 1;

export class Vcpu {
  /** Virtual registers: CPL, CS, IF and control registers as the guest believes them to be. */
  readonly state = CpuState.detached();

  constructor(
    readonly vm: number,
    readonly number: number,
  ) {}

  /** After HLT until an interrupt. */
  get halted(): boolean {
    return this.state.word(OFF.activity) === HALTED;
  }

  wake(): void {
    this.state.setWord(OFF.activity, ACTIVE);
  }

  get interruptsOn(): boolean {
    return (this.state.word(OFF.flagsSystem) & FLAG_IF) !== 0;
  }

  /** True when the guest may take a maskable interrupt at this instruction boundary. */
  get interruptible(): boolean {
    return this.interruptsOn && !this.inShadow;
  }

  /** True on the boundary behind STI or MOV SS. */
  get inShadow(): boolean {
    return (this.state.word(OFF.interruptibility) & STI_OR_MOV_SS) !== 0;
  }

  save(): VcpuState {
    return { block: this.state.u8.slice() };
  }

  load(state: VcpuState): void {
    this.state.u8.set(state.block);
  }
}
