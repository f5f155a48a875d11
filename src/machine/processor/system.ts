/**
 * Executes system instructions on any processor context: one table from encodings to handlers.
 *
 * A handler checks privilege first, then asks the VMX unit, then makes all other checks, and only then changes anything;
 * so a GuestFault or VmExit always finds the state as it was before the instruction.
 */
import { OFF } from '../../engine/state';
import { type Code, type DecodedInstruction, Mnemonic } from '../../x86/iced';
import { CR0_PE } from '../../x86/paging-bits';
import { type CpuContext, UnsupportedFeature } from './context';
import { CONTROL_INSTRUCTIONS } from './control';
import { FAR_INSTRUCTIONS } from './far';
import { FLAG_INSTRUCTIONS } from './flags';
import { Interruptibility, type SystemHandler } from './handlers';
import { IRET_INSTRUCTIONS } from './iret';
import { PORT_INSTRUCTIONS } from './port';
import { SEGMENT_INSTRUCTIONS } from './segments';
import { SOFTWARE_INTERRUPT_INSTRUCTIONS } from './software-interrupts';
import { TABLE_INSTRUCTIONS } from './table-registers';
import { VMX_INSTRUCTIONS } from './vmx-instructions';

const HANDLERS: ReadonlyMap<Code, SystemHandler> = new Map(
  [
    ...SEGMENT_INSTRUCTIONS,
    ...TABLE_INSTRUCTIONS,
    ...FAR_INSTRUCTIONS,
    ...IRET_INSTRUCTIONS,
    ...FLAG_INSTRUCTIONS,
    ...CONTROL_INSTRUCTIONS,
    ...PORT_INSTRUCTIONS,
    ...SOFTWARE_INTERRUPT_INSTRUCTIONS,
    ...VMX_INSTRUCTIONS,
  ].flatMap(([codes, handler]) => codes.map((code) => [code, handler] as const)),
);

/** True when {@link executeSystem} has a handler for the encoding. */
export function hasSystemHandler(code: Code): boolean {
  return HANDLERS.has(code);
}

const SHADOWS = Interruptibility.sti | Interruptibility.movSs;

/**
 * Executes one system instruction at `state.eip`, advancing EIP.
 * @returns instructions retired: 1, or 0 when an INT n turned into an exception that has been delivered in its place
 * @throws GuestFault before anything has changed, to be raised by the caller; VmExit likewise; TripleFault;
 *   UnsupportedFeature for what the simulator does not have
 */
export function executeSystem(ctx: CpuContext, instruction: DecodedInstruction): 0 | 1 {
  const { state } = ctx;
  if ((state.cr0 & CR0_PE) === 0) throw new UnsupportedFeature('real-address mode', state.eip);
  const handler = HANDLERS.get(instruction.code);
  if (handler === undefined) {
    throw new UnsupportedFeature(`the instruction ${Mnemonic[instruction.mnemonic]?.toUpperCase() ?? '?'}`, state.eip);
  }
  // The shadow of a previous STI or MOV SS ends with this instruction, which may cast one of its own.
  const interruptibility = state.word(OFF.interruptibility);
  state.setWord(OFF.interruptibility, interruptibility & ~SHADOWS);
  let outcome: ReturnType<SystemHandler>;
  try {
    outcome = handler(ctx, instruction);
  } catch (error) {
    state.setWord(OFF.interruptibility, interruptibility);
    throw error;
  }
  if (outcome === 'stay') return 1;
  if (outcome === 'replaced') return 0;
  state.eip = (state.eip + instruction.length) >>> 0;
  return 1;
}
