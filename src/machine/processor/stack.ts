/** Stacks: the current one, or one that a gate is about to switch to; pushes are checked whole before any byte changes. */
import { insideLimit, linearAddress } from '../../engine/segmentation';
import { AR_DB, type CpuState } from '../../engine/state';
import { GuestFault, SS_FAULT } from '../../x86/exceptions';
import { RSP, SS } from '../../x86/registers';
import type { CpuContext } from './context';

export interface Stack {
  readonly selector: number;
  readonly attributes: number;
  readonly base: number;
  readonly limit: number;
  /** ESP as it stands; its upper half is ignored and kept on 16-bit stacks. */
  readonly esp: number;
}

export function currentStack(state: CpuState): Stack {
  return {
    selector: state.selector(SS),
    attributes: state.attributes(SS),
    base: state.base(SS),
    limit: state.limit(SS),
    esp: state.gpr(RSP),
  };
}

/** The stack pointer after adding bytes, wrapped to the stack's width. */
export function movedStackPointer(attributes: number, esp: number, bytes: number): number {
  if ((attributes & AR_DB) !== 0) return (esp + bytes) >>> 0;
  return ((esp & 0xffff0000) | ((esp + bytes) & 0xffff)) >>> 0;
}

/**
 * Pushes values, the first one first (to the highest address).
 * @param errorCode of the #SS when they do not fit
 * @param supervisor the pushes are made with supervisor privilege whatever the CPL still is
 * @returns the new ESP; the register itself is not changed
 * @throws GuestFault #SS or a page fault, with nothing written
 */
export function pushValues(
  ctx: CpuContext,
  stack: Stack,
  values: readonly number[],
  size: 2 | 4,
  errorCode: number,
  supervisor: boolean,
): number {
  const mask = (stack.attributes & AR_DB) !== 0 ? 0xffffffff : 0xffff;
  const bytes = values.length * size;
  const bottom = ((stack.esp - bytes) & mask) >>> 0;
  if (!insideLimit(stack.attributes, stack.limit, bottom, bytes)) throw new GuestFault(SS_FAULT, errorCode);
  const linear = (stack.base + bottom) >>> 0;
  ctx.memory.checkWrite(linear, bytes, supervisor);
  values.forEach((value, i) => {
    const at = (linear + bytes - (i + 1) * size) >>> 0;
    ctx.memory.write(at, size, size === 2 ? value & 0xffff : value >>> 0, supervisor);
  });
  return movedStackPointer(stack.attributes, stack.esp, -bytes);
}

/** Pushes on the current stack at the current privilege, and moves ESP. */
export function push(ctx: CpuContext, values: readonly number[], size: 2 | 4): void {
  ctx.state.setGpr(RSP, pushValues(ctx, currentStack(ctx.state), values, size, 0, false));
}

/** The value `skip` bytes above the top of the current stack; ESP stays. */
export function peek(ctx: CpuContext, skip: number, size: 2 | 4): number {
  const { state } = ctx;
  const offset =
    (state.attributes(SS) & AR_DB) !== 0 ? (state.gpr(RSP) + skip) >>> 0 : (state.gpr(RSP) + skip) & 0xffff;
  return ctx.memory.read(linearAddress(state, SS, offset, size, false), size);
}

/** Removes bytes from the current stack; the attributes say how wide its pointer is. */
export function release(state: CpuState, bytes: number, attributes = state.attributes(SS)): void {
  state.setGpr(RSP, movedStackPointer(attributes, state.gpr(RSP), bytes));
}
