/** INT n, INT3, INTO, INT1 and the undefined instructions (Intel SDM 2, "INT n/INTO/INT3/INT1", "UD"). */
import { BP, DB, GuestFault, OF, UD } from '../../x86/exceptions';
import { FLAG_OF } from '../../x86/flags';
import { Code, type DecodedInstruction } from '../../x86/iced';
import type { CpuContext, PendingEvent, PendingEventKind } from './context';
import type { Outcome, SystemRow } from './handlers';
import { raise } from './raise';

/** Raises the event; when another exception took its place, the instruction has not retired. */
function interrupt(ctx: CpuContext, instruction: DecodedInstruction, vector: number, kind: PendingEventKind): Outcome {
  const event: PendingEvent = { vector, kind, length: instruction.length };
  return raise(ctx, event) === event ? 'stay' : 'replaced';
}

function into(ctx: CpuContext, instruction: DecodedInstruction): Outcome {
  if ((ctx.state.arithmeticFlags & FLAG_OF) === 0) return undefined;
  return interrupt(ctx, instruction, OF, 'software-exception');
}

function undefinedInstruction(): never {
  throw new GuestFault(UD);
}

export const SOFTWARE_INTERRUPT_INSTRUCTIONS: readonly SystemRow[] = [
  [[Code.Int_imm8], (ctx, i) => interrupt(ctx, i, Number(i.immediate & 0xffn), 'software')],
  [[Code.Int3], (ctx, i) => interrupt(ctx, i, BP, 'software-exception')],
  [[Code.Int1], (ctx, i) => interrupt(ctx, i, DB, 'privileged-software')],
  [[Code.Into], into],
  [
    [Code.INVALID, Code.Ud2, Code.Ud0_r16_rm16, Code.Ud0_r32_rm32, Code.Ud1_r16_rm16, Code.Ud1_r32_rm32],
    undefinedInstruction,
  ],
];
