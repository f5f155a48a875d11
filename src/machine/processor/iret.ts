/** IRET in protected mode, to the same ring or outward (Intel SDM 2, "IRET/IRETD"). */
import { OFF } from '../../engine/state';
import { SELECTOR_RPL } from '../../x86/descriptors';
import { GP, GuestFault } from '../../x86/exceptions';
import { FLAG_NT, FLAG_VM } from '../../x86/flags';
import { Code } from '../../x86/iced';
import { NONE, RingCause } from '../event-kinds';
import { UnsupportedFeature } from './context';
import { markAccessed } from './descriptor-tables';
import { enterCode, enterStack, returnStack, returnTarget } from './far';
import { mergedFlags } from './flags';
import { Interruptibility, type SystemHandler, type SystemRow } from './handlers';
import { dropInnerSegments } from './segments';
import { peek, release } from './stack';

const iret =
  (size: 2 | 4): SystemHandler =>
  (ctx) => {
    const { state } = ctx;
    if ((state.word(OFF.flagsSystem) & FLAG_NT) !== 0) {
      ctx.vmx?.intercept('taskSwitch');
      throw new UnsupportedFeature('a return to another task (IRET with EFLAGS.NT set)', state.eip);
    }
    const offset = peek(ctx, 0, size);
    const selector = peek(ctx, size, size) & 0xffff;
    const image = peek(ctx, 2 * size, size);
    const ip = state.eip;
    const from = state.cpl;
    if ((image & FLAG_VM) !== 0 && size === 4 && from === 0) {
      throw new UnsupportedFeature('virtual-8086 mode (IRET with EFLAGS.VM set in the frame)', state.eip);
    }
    const code = returnTarget(ctx, selector);
    const ring = selector & SELECTOR_RPL;
    // The flags are judged by the ring that executes IRET.
    const flags = mergedFlags(ctx, image, size);
    if (ring === from) {
      if (offset > code.segment.limit) throw new GuestFault(GP, 0);
      markAccessed(ctx, code.raw);
      release(state, 3 * size);
      state.eflags = flags;
      enterCode(ctx, selector, code, ring, offset);
    } else {
      const esp = peek(ctx, 3 * size, size);
      const stackSelector = peek(ctx, 4 * size, size) & 0xffff;
      const stack = returnStack(ctx, stackSelector, ring);
      if (offset > code.segment.limit) throw new GuestFault(GP, 0);
      markAccessed(ctx, code.raw);
      markAccessed(ctx, stack.raw);
      state.eflags = flags;
      enterStack(ctx, stackSelector, stack, esp, 0);
      enterCode(ctx, selector, code, ring, offset);
      dropInnerSegments(ctx, ring);
      ctx.modeChanged();
    }
    // IRET ends the blocking of NMIs.
    state.setWord(OFF.interruptibility, state.word(OFF.interruptibility) & ~Interruptibility.nmi);
    if (ring !== from) ctx.ringChanged({ from, to: ring, cause: RingCause.iret, vector: NONE, ip });
    return 'stay';
  };

export const IRET_INSTRUCTIONS: readonly SystemRow[] = [
  [[Code.Iretw], iret(2)],
  [[Code.Iretd], iret(4)],
];
