/**
 * Delivery of interrupts and exceptions through the IDT in 32-bit protected mode, with the manual's checks in its order
 * (Intel SDM 2, "INT n/INTO/INT3/INT1", and 3A, "Interrupt and Exception Handling").
 *
 * Nothing but accessed bits has changed when a check fails, so a failed delivery can be turned into another one.
 */
import { insideLimit } from '../../engine/segmentation';
import { type CpuState, OFF } from '../../engine/state';
import {
  descriptorDpl,
  type GateDescriptor,
  isCode,
  isConforming,
  isPresent,
  isWritableData,
  parseGate,
  parseSegment,
  SELECTOR_RPL,
  type SegmentDescriptor,
  segmentType,
  SystemType,
} from '../../x86/descriptors';
import { exceptionInfo, GP, GuestFault, NP, PF, SS_FAULT, TS } from '../../x86/exceptions';
import { FLAG_IF, FLAG_NT, FLAG_RF, FLAG_TF, FLAG_VM } from '../../x86/flags';
import { CR0_PE } from '../../x86/paging-bits';
import { CS, RSP, SS, TR } from '../../x86/registers';
import { RingCause } from '../event-kinds';
import { type CpuContext, type PendingEvent, type PendingEventKind, UnsupportedFeature } from './context';
import {
  isNull,
  markAccessed,
  readDescriptor,
  selectorFault,
  setFromDescriptor,
  type TableDescriptor,
} from './descriptor-tables';
import { Interruptibility } from './handlers';
import { currentStack, pushValues, type Stack } from './stack';

/** Error-code bit: the event is not the program's doing (or is an exception). */
const EXT = 1;
/** Error-code bit: the index names an IDT entry. */
const IDT = 2;

const RING_CAUSES: Readonly<Record<PendingEventKind, number>> = {
  interrupt: RingCause.interrupt,
  nmi: RingCause.interrupt,
  exception: RingCause.exception,
  software: RingCause.software,
  'privileged-software': RingCause.software,
  'software-exception': RingCause.software,
};

/**
 * Delivers one event: checks, stack switch, frame, entry. `state.eip` is the return address (for software kinds the
 * instruction's own address; the length is added).
 * @throws GuestFault when the delivery itself faults, with no register changed (but CR2 and DR6 of the event)
 */
export function deliverEvent(ctx: CpuContext, event: PendingEvent): void {
  const { state } = ctx;
  const at = state.eip;
  if ((state.cr0 & CR0_PE) === 0) throw new UnsupportedFeature('interrupt delivery in real-address mode', state.eip);
  if (event.cr2 !== undefined) state.cr2 = event.cr2;
  if (event.debugStatus !== undefined) setDebugStatus(state, event.debugStatus);

  // INT n, INT3 and INTO are the program's own doing; INT1 counts as external.
  const external = event.kind === 'software' || event.kind === 'software-exception' ? 0 : EXT;
  const gate = readGate(ctx, event, external);
  if (isNull(gate.selector)) throw new GuestFault(GP, external);
  const raw = readDescriptor(ctx, gate.selector, GP, external);
  const code = parseSegment(raw);
  const cpl = state.cpl;
  if (!isCode(code.attributes) || descriptorDpl(code.attributes) > cpl)
    throw selectorFault(GP, gate.selector, external);
  if (!isPresent(code.attributes)) throw selectorFault(NP, gate.selector, external);
  const newCpl = isConforming(code.attributes) ? cpl : descriptorDpl(code.attributes);

  const inner = newCpl < cpl ? innerStack(ctx, newCpl, external) : undefined;
  if (gate.offset > code.limit) throw new GuestFault(GP, external);
  const size = gate.type === SystemType.interruptGate32 || gate.type === SystemType.trapGate32 ? 4 : 2;
  const frame = [imageFlags(state, event), state.selector(CS), (state.eip + (event.length ?? 0)) >>> 0];
  if (event.errorCode !== undefined) frame.push(event.errorCode);
  if (inner !== undefined) frame.unshift(state.selector(SS), state.gpr(RSP));
  const stack = inner?.stack ?? currentStack(state);
  const stackError = inner === undefined ? external : (inner.stack.selector & 0xfffc) | external;
  markAccessed(ctx, raw);
  if (inner !== undefined) markAccessed(ctx, inner.raw);
  const esp = pushValues(ctx, stack, frame, size, stackError, newCpl < 3);

  if (inner !== undefined) setFromDescriptor(ctx, SS, inner.stack.selector, inner.descriptor);
  state.setGpr(RSP, esp);
  setFromDescriptor(ctx, CS, (gate.selector & ~SELECTOR_RPL) | newCpl, code);
  state.eip = gate.offset;
  const isInterruptGate = gate.type === SystemType.interruptGate32 || gate.type === SystemType.interruptGate16;
  const cleared = FLAG_TF | FLAG_VM | FLAG_RF | FLAG_NT | (isInterruptGate ? FLAG_IF : 0);
  state.setWord(OFF.flagsSystem, state.word(OFF.flagsSystem) & ~cleared);
  state.cpl = newCpl;
  state.setWord(
    OFF.interruptibility,
    state.word(OFF.interruptibility) & ~(Interruptibility.sti | Interruptibility.movSs),
  );
  state.setWord(OFF.activity, 0);
  ctx.modeChanged();
  // An injected page fault brings no address: the VMM has loaded CR2 by itself.
  const isPageFault = event.kind === 'exception' && event.vector === PF;
  ctx.delivered(isPageFault ? { ...event, cr2: state.cr2 } : event, {
    from: cpl,
    to: newCpl,
    cause: RING_CAUSES[event.kind],
    vector: event.vector,
    ip: at,
  });
}

function setDebugStatus(state: CpuState, bits: number): void {
  // DR6 is the seventh register, eight bytes each.
  state.setWord(OFF.dr + 6 * 8, state.word(OFF.dr + 6 * 8) | bits);
}

/** EFLAGS as pushed. RF is set for faults, so that a breakpoint on the instruction does not hit again when it restarts. */
function imageFlags(state: CpuState, event: PendingEvent): number {
  const isFault = event.kind === 'exception' && exceptionInfo(event.vector)?.kind === 'fault';
  return ((state.eflags & ~FLAG_RF) | (isFault ? FLAG_RF : 0)) >>> 0;
}

/** The event's gate, after the checks on the gate itself. */
function readGate(ctx: CpuContext, event: PendingEvent, external: number): GateDescriptor {
  const { state } = ctx;
  const entry = event.vector * 8;
  const fault = (vector: number): GuestFault => new GuestFault(vector, entry | IDT | external);
  if (entry + 7 > state.word(OFF.idtrLimit)) throw fault(GP);
  const address = (state.word(OFF.idtrBase) + entry) >>> 0;
  const low = ctx.memory.read(address, 4, true);
  const high = ctx.memory.read((address + 4) >>> 0, 4, true);
  const gate = parseGate({ low, high });
  const isSystem = (high & 0x1000) === 0;
  if (!isSystem || !GATE_TYPES.includes(gate.type)) throw fault(GP);
  const byInstruction = event.kind === 'software' || event.kind === 'software-exception';
  if (byInstruction && gate.dpl < state.cpl) throw fault(GP);
  if (!gate.present) throw fault(NP);
  if (gate.type === SystemType.taskGate) {
    ctx.vmx?.intercept('taskSwitch');
    throw new UnsupportedFeature(`a task gate (IDT entry ${event.vector})`, state.eip);
  }
  return gate;
}

const GATE_TYPES: readonly number[] = [
  SystemType.taskGate,
  SystemType.interruptGate16,
  SystemType.trapGate16,
  SystemType.interruptGate32,
  SystemType.trapGate32,
];

interface InnerStack {
  readonly raw: TableDescriptor;
  readonly descriptor: SegmentDescriptor;
  readonly stack: Stack;
}

/**
 * The stack that the current TSS holds for an inner ring, checked (Intel SDM 2, "INT n", inter-privilege delivery; far
 * calls through call gates use the same).
 */
export function innerStack(ctx: CpuContext, ring: number, external: number): InnerStack {
  const { selector, esp } = readTssStack(ctx, ring, external);
  if (isNull(selector)) throw new GuestFault(TS, external);
  const raw = readDescriptor(ctx, selector, TS, external);
  const descriptor = parseSegment(raw);
  const wrong =
    (selector & SELECTOR_RPL) !== ring ||
    descriptorDpl(descriptor.attributes) !== ring ||
    !isWritableData(descriptor.attributes);
  if (wrong) throw selectorFault(TS, selector, external);
  if (!isPresent(descriptor.attributes)) throw selectorFault(SS_FAULT, selector, external);
  const { attributes, base, limit } = descriptor;
  return { raw, descriptor, stack: { selector, attributes, base, limit, esp } };
}

function readTssStack(ctx: CpuContext, ring: number, external: number): { selector: number; esp: number } {
  const { state } = ctx;
  const type = segmentType(state.attributes(TR));
  const wide = type === SystemType.tss32Busy || type === SystemType.tss32Available;
  const offset = wide ? 4 + ring * 8 : 2 + ring * 4;
  if (!insideLimit(0, state.limit(TR), offset, wide ? 6 : 4)) throw selectorFault(TS, state.selector(TR), external);
  const address = (state.base(TR) + offset) >>> 0;
  const size = wide ? 4 : 2;
  const esp = ctx.memory.read(address, size, true);
  return { esp, selector: ctx.memory.read((address + size) >>> 0, 2, true) };
}
