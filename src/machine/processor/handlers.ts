/** The shape of a system instruction's handler, and what it may leave behind. */
import type { Code, DecodedInstruction } from '../../x86/iced';
import type { CpuContext } from './context';

/**
 * What is left to do after a handler: nothing returned means that EIP moves past the instruction.
 * 'stay': EIP stands where execution goes on (a transfer, or a REP iteration with more to come), and 1 instruction retired.
 * 'replaced': an exception took the instruction's place, and 0 retired.
 */
export type Outcome = 'stay' | 'replaced' | undefined;

/**
 * Executes one instruction; throws a GuestFault or VmExit before it has changed anything. Returning nothing (void) is the
 * ordinary outcome.
 */
export type SystemHandler = (ctx: CpuContext, instruction: DecodedInstruction) => Outcome | void;

/** Encodings and their handler. */
export type SystemRow = readonly [codes: readonly Code[], handler: SystemHandler];

/** Bits of the interruptibility word (VMX layout). */
export const Interruptibility = { sti: 1, movSs: 2, nmi: 8 } as const;
