/** Fetching one whole instruction, with the checks that belong to it (Intel SDM 3A, "General-Protection Exception"). */
import { GP, GuestFault } from '../x86/exceptions';
import { type DecodedInstruction, decode } from '../x86/iced';
import { CS } from '../x86/registers';
import type { LinearMemory } from './access';
import { AR_DB, type CpuState } from './state';

/** The architectural limit of an instruction's length. */
export const LONGEST_INSTRUCTION = 15;

/**
 * The instruction at CS:EIP. The next page is touched only when the instruction reaches into it.
 * @throws GuestFault #GP(0) beyond the CS limit or for more than 15 bytes, or what fetching throws (#PF)
 */
export function fetchInstruction(state: CpuState, memory: LinearMemory): DecodedInstruction {
  const eip = state.eip;
  const limit = state.limit(CS);
  if (eip > limit) throw new GuestFault(GP, 0);
  const most = Math.min(LONGEST_INSTRUCTION, limit - eip + 1);
  const bitness = (state.attributes(CS) & AR_DB) !== 0 ? 32 : 16;
  const linear = (state.base(CS) + eip) >>> 0;
  const first = memory.fetch(linear, most);
  let instruction = decode(first, bitness, BigInt(eip));
  if (instruction.needsMoreBytes && first.length < most) {
    const rest = memory.fetch((linear + first.length) >>> 0, most - first.length);
    const bytes = new Uint8Array(first.length + rest.length);
    bytes.set(first);
    bytes.set(rest, first.length);
    instruction = decode(bytes, bitness, BigInt(eip));
  }
  if (instruction.needsMoreBytes || isTooLong(instruction)) throw new GuestFault(GP, 0);
  return instruction;
}

/** iced reports an instruction of more than 15 bytes as invalid after having looked at 15. */
export function isTooLong(instruction: DecodedInstruction): boolean {
  return instruction.isInvalid && instruction.length >= LONGEST_INSTRUCTION;
}
