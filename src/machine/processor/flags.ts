/** CLI, STI and POPF, and which EFLAGS bits a popped image may change (Intel SDM 2, "POPF", "STI"; 1, "EFLAGS Register"). */
import { OFF } from '../../engine/state';
import { GP, GuestFault } from '../../x86/exceptions';
import { ARITHMETIC_FLAGS, FLAG_AC, FLAG_DF, FLAG_ID, FLAG_IF, FLAG_IOPL, FLAG_NT, FLAG_TF } from '../../x86/flags';
import { Code } from '../../x86/iced';
import type { CpuContext } from './context';
import { Interruptibility, type SystemRow } from './handlers';
import { peek, release } from './stack';

export function ioPrivilegeLevel(ctx: CpuContext): number {
  return (ctx.state.word(OFF.flagsSystem) & FLAG_IOPL) >>> 12;
}

/**
 * EFLAGS after a POPF or IRET popped `image` at the ring that the processor has now: IOPL changes in ring 0 only, IF only
 * when CPL <= IOPL, both silently otherwise. RF is never set: it would be clear again after the next instruction, and
 * nothing here can see it in between.
 */
export function mergedFlags(ctx: CpuContext, image: number, size: 2 | 4): number {
  const { cpl, eflags } = ctx.state;
  const { wp, cpuid } = ctx.profile.features;
  let changeable = ARITHMETIC_FLAGS | FLAG_TF | FLAG_DF | FLAG_NT;
  // AC came with the 486 (as CR0.WP did), ID with CPUID.
  if (size === 4) changeable |= (wp ? FLAG_AC : 0) | (cpuid ? FLAG_ID : 0);
  if (cpl === 0) changeable |= FLAG_IOPL;
  if (cpl <= ioPrivilegeLevel(ctx)) changeable |= FLAG_IF;
  return ((eflags & ~changeable) | (image & changeable)) >>> 0;
}

function requireIoPrivilege(ctx: CpuContext): void {
  if (ctx.state.cpl > ioPrivilegeLevel(ctx)) throw new GuestFault(GP, 0);
}

function cli(ctx: CpuContext): void {
  requireIoPrivilege(ctx);
  ctx.state.setWord(OFF.flagsSystem, ctx.state.word(OFF.flagsSystem) & ~FLAG_IF);
  ctx.modeChanged();
}

function sti(ctx: CpuContext): void {
  requireIoPrivilege(ctx);
  const { state } = ctx;
  const flags = state.word(OFF.flagsSystem);
  if ((flags & FLAG_IF) === 0) {
    state.setWord(OFF.flagsSystem, flags | FLAG_IF);
    state.setWord(OFF.interruptibility, state.word(OFF.interruptibility) | Interruptibility.sti);
  }
  ctx.modeChanged();
}

const popf =
  (size: 2 | 4) =>
  (ctx: CpuContext): void => {
    ctx.state.eflags = mergedFlags(ctx, peek(ctx, 0, size), size);
    release(ctx.state, size);
    ctx.modeChanged();
  };

export const FLAG_INSTRUCTIONS: readonly SystemRow[] = [
  [[Code.Cli], cli],
  [[Code.Sti], sti],
  [[Code.Popfw], popf(2)],
  [[Code.Popfd], popf(4)],
];
