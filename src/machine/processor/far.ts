/** Far jumps, calls and returns, with call gates (Intel SDM 2, "JMP", "CALL", "RET"). */
import {
  descriptorDpl,
  isCode,
  isCodeOrData,
  isConforming,
  isPresent,
  isWritableData,
  parseGate,
  parseSegment,
  SELECTOR_RPL,
  type SegmentDescriptor,
  SystemType,
} from '../../x86/descriptors';
import { GP, GuestFault, NP, SS_FAULT } from '../../x86/exceptions';
import { Code, type DecodedInstruction } from '../../x86/iced';
import { CS, RSP, SS } from '../../x86/registers';
import { NONE, RingCause } from '../event-kinds';
import { type CpuContext, UnsupportedFeature } from './context';
import {
  isNull,
  markAccessed,
  readDescriptor,
  selectorFault,
  setFromDescriptor,
  type TableDescriptor,
} from './descriptor-tables';
import type { Outcome, SystemHandler, SystemRow } from './handlers';
import { innerStack } from './interrupts';
import { readFarPointer } from './operands';
import { dropInnerSegments } from './segments';
import { currentStack, movedStackPointer, peek, pushValues, release } from './stack';

/** A code segment that passed the checks, not yet loaded. */
export interface CheckedCode {
  readonly raw: TableDescriptor;
  readonly segment: SegmentDescriptor;
}

/** Loads CS with a ring, and EIP. */
export function enterCode(ctx: CpuContext, selector: number, code: CheckedCode, ring: number, offset: number): void {
  setFromDescriptor(ctx, CS, (selector & ~SELECTOR_RPL) | ring, code.segment);
  ctx.state.eip = offset;
  ctx.state.cpl = ring;
  ctx.modeChanged();
}

/** A code segment named directly by a jump or call: conforming from below, otherwise of this very ring. */
function directTarget(ctx: CpuContext, selector: number, raw: TableDescriptor, offset: number): CheckedCode {
  const segment = parseSegment(raw);
  const { cpl } = ctx.state;
  const dpl = descriptorDpl(segment.attributes);
  const allowed = isConforming(segment.attributes) ? dpl <= cpl : (selector & SELECTOR_RPL) <= cpl && dpl === cpl;
  if (!allowed) throw selectorFault(GP, selector);
  if (!isPresent(segment.attributes)) throw selectorFault(NP, selector);
  if (offset > segment.limit) throw new GuestFault(GP, 0);
  return { raw, segment };
}

/** Jumps or calls through whatever the selector names. `returnTo` is undefined for jumps. */
function transfer(
  ctx: CpuContext,
  selector: number,
  offset: number,
  size: 2 | 4,
  returnTo: number | undefined,
): Outcome {
  if (isNull(selector)) throw new GuestFault(GP, 0);
  const raw = readDescriptor(ctx, selector, GP);
  const { attributes } = parseSegment(raw);
  if (isCode(attributes)) {
    const code = directTarget(ctx, selector, raw, offset);
    markAccessed(ctx, raw);
    if (returnTo !== undefined) pushReturn(ctx, size, returnTo);
    enterCode(ctx, selector, code, ctx.state.cpl, offset);
    return 'stay';
  }
  if (isCodeOrData(attributes)) throw selectorFault(GP, selector);
  return throughSystemDescriptor(ctx, selector, raw, returnTo);
}

function pushReturn(ctx: CpuContext, size: 2 | 4, returnTo: number): void {
  const { state } = ctx;
  const values = [state.selector(CS), returnTo];
  state.setGpr(RSP, pushValues(ctx, currentStack(state), values, size, 0, false));
}

const TASK_TYPES: readonly number[] = [SystemType.taskGate, SystemType.tss16Available, SystemType.tss32Available];

function throughSystemDescriptor(
  ctx: CpuContext,
  selector: number,
  raw: TableDescriptor,
  returnTo: number | undefined,
): Outcome {
  const { state } = ctx;
  const gate = parseGate(raw);
  const isCallGate = gate.type === SystemType.callGate16 || gate.type === SystemType.callGate32;
  if (!isCallGate && !TASK_TYPES.includes(gate.type)) throw selectorFault(GP, selector);
  if (gate.dpl < state.cpl || gate.dpl < (selector & SELECTOR_RPL)) throw selectorFault(GP, selector);
  if (!gate.present) throw selectorFault(NP, selector);
  if (!isCallGate) {
    ctx.vmx?.intercept('taskSwitch');
    throw new UnsupportedFeature('a hardware task switch', state.eip);
  }
  if (isNull(gate.selector)) throw new GuestFault(GP, 0);
  const target = readDescriptor(ctx, gate.selector, GP);
  const segment = parseSegment(target);
  const dpl = descriptorDpl(segment.attributes);
  const inward = !isConforming(segment.attributes) && dpl < state.cpl;
  if (!isCode(segment.attributes) || dpl > state.cpl || (returnTo === undefined && inward)) {
    throw selectorFault(GP, gate.selector);
  }
  if (!isPresent(segment.attributes)) throw selectorFault(NP, gate.selector);
  const size = gate.type === SystemType.callGate32 ? 4 : 2;
  const code = { raw: target, segment };
  if (inward && returnTo !== undefined) {
    callInward(ctx, gate.selector, code, dpl, gate.offset, size, gate.parameters, returnTo);
    return 'stay';
  }
  if (gate.offset > segment.limit) throw new GuestFault(GP, 0);
  markAccessed(ctx, target);
  if (returnTo !== undefined) pushReturn(ctx, size, returnTo);
  enterCode(ctx, gate.selector, code, state.cpl, gate.offset);
  return 'stay';
}

/** A call gate to an inner ring: the stack of that ring from the TSS, with the parameters copied. */
function callInward(
  ctx: CpuContext,
  selector: number,
  code: CheckedCode,
  ring: number,
  offset: number,
  size: 2 | 4,
  parameters: number,
  returnTo: number,
): void {
  const { state } = ctx;
  const inner = innerStack(ctx, ring, 0);
  if (offset > code.segment.limit) throw new GuestFault(GP, 0);
  const frame = [state.selector(SS), state.gpr(RSP)];
  for (let i = parameters - 1; i >= 0; i--) frame.push(peek(ctx, i * size, size));
  frame.push(state.selector(CS), returnTo);
  markAccessed(ctx, code.raw);
  markAccessed(ctx, inner.raw);
  const esp = pushValues(ctx, inner.stack, frame, size, inner.stack.selector & 0xfffc, true);
  setFromDescriptor(ctx, SS, inner.stack.selector, inner.descriptor);
  state.setGpr(RSP, esp);
  const from = state.cpl;
  const ip = state.eip;
  enterCode(ctx, selector, code, ring, offset);
  ctx.ringChanged({ from, to: ring, cause: RingCause.far, vector: NONE, ip });
}

/** The code segment that a far return or IRET names, checked against the ring in the selector. */
export function returnTarget(ctx: CpuContext, selector: number): CheckedCode {
  if (isNull(selector)) throw new GuestFault(GP, 0);
  const raw = readDescriptor(ctx, selector, GP);
  const segment = parseSegment(raw);
  const rpl = selector & SELECTOR_RPL;
  const dpl = descriptorDpl(segment.attributes);
  const wrong =
    !isCode(segment.attributes) || rpl < ctx.state.cpl || (isConforming(segment.attributes) ? dpl > rpl : dpl !== rpl);
  if (wrong) throw selectorFault(GP, selector);
  if (!isPresent(segment.attributes)) throw selectorFault(NP, selector);
  return { raw, segment };
}

/** The stack segment that a return to an outer ring names, checked. */
export function returnStack(ctx: CpuContext, selector: number, ring: number): CheckedCode {
  if (isNull(selector)) throw new GuestFault(GP, 0);
  const raw = readDescriptor(ctx, selector, GP);
  const segment = parseSegment(raw);
  const wrong =
    (selector & SELECTOR_RPL) !== ring ||
    !isWritableData(segment.attributes) ||
    descriptorDpl(segment.attributes) !== ring;
  if (wrong) throw selectorFault(GP, selector);
  if (!isPresent(segment.attributes)) throw selectorFault(SS_FAULT, selector);
  return { raw, segment };
}

/** Loads the outer stack: SS, and ESP after `extra` bytes more have been released there. */
export function enterStack(ctx: CpuContext, selector: number, stack: CheckedCode, esp: number, extra: number): void {
  setFromDescriptor(ctx, SS, selector, stack.segment);
  ctx.state.setGpr(RSP, movedStackPointer(stack.segment.attributes, esp, extra));
}

const farReturn =
  (size: 2 | 4): SystemHandler =>
  (ctx, instruction) => {
    const { state } = ctx;
    const extra = Number(instruction.immediate & 0xffffn);
    const offset = peek(ctx, 0, size);
    const selector = peek(ctx, size, size) & 0xffff;
    const from = state.cpl;
    const ip = state.eip;
    const ring = selector & SELECTOR_RPL;
    const code = returnTarget(ctx, selector);
    if (offset > code.segment.limit) throw new GuestFault(GP, 0);
    if (ring === from) {
      markAccessed(ctx, code.raw);
      release(state, 2 * size + extra);
      enterCode(ctx, selector, code, ring, offset);
      return 'stay';
    }
    const esp = peek(ctx, 2 * size + extra, size);
    const stackSelector = peek(ctx, 3 * size + extra, size) & 0xffff;
    const stack = returnStack(ctx, stackSelector, ring);
    markAccessed(ctx, code.raw);
    markAccessed(ctx, stack.raw);
    enterStack(ctx, stackSelector, stack, esp, extra);
    enterCode(ctx, selector, code, ring, offset);
    dropInnerSegments(ctx, ring);
    ctx.modeChanged();
    ctx.ringChanged({ from, to: ring, cause: RingCause.far, vector: NONE, ip });
    return 'stay';
  };

const immediateTransfer =
  (size: 2 | 4, call: boolean): SystemHandler =>
  (ctx, instruction) => {
    const { selector, offset } = instruction.farBranch ?? { selector: 0, offset: 0 };
    return transfer(ctx, selector, offset, size, call ? nextEip(ctx, instruction) : undefined);
  };

const memoryTransfer =
  (size: 2 | 4, call: boolean): SystemHandler =>
  (ctx, instruction) => {
    const { selector, offset } = readFarPointer(ctx, instruction, size);
    return transfer(ctx, selector, offset, size, call ? nextEip(ctx, instruction) : undefined);
  };

function nextEip(ctx: CpuContext, instruction: DecodedInstruction): number {
  return (ctx.state.eip + instruction.length) >>> 0;
}

export const FAR_INSTRUCTIONS: readonly SystemRow[] = [
  [[Code.Jmp_ptr1616], immediateTransfer(2, false)],
  [[Code.Jmp_ptr1632], immediateTransfer(4, false)],
  [[Code.Call_ptr1616], immediateTransfer(2, true)],
  [[Code.Call_ptr1632], immediateTransfer(4, true)],
  [[Code.Jmp_m1616], memoryTransfer(2, false)],
  [[Code.Jmp_m1632], memoryTransfer(4, false)],
  [[Code.Call_m1616], memoryTransfer(2, true)],
  [[Code.Call_m1632], memoryTransfer(4, true)],
  [[Code.Retfw, Code.Retfw_imm16], farReturn(2)],
  [[Code.Retfd, Code.Retfd_imm16], farReturn(4)],
];
