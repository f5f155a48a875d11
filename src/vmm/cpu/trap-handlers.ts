/**
 * The VMM's handlers under ring deprivileging, by the vector through which the guest came: a hidden page fault is mended,
 * what the guest may not do in its real ring is emulated, and what its own processor would refuse is injected.
 */
import { HandlerKind } from '../../machine/event-kinds';
import { HOST_TIMER_VECTOR } from '../../machine/host-timer';
import { AC, BR, DB, DE, GP, GuestFault, MF, NM, NP, OF, PF, SS_FAULT, TS, UD } from '../../x86/exceptions';
import { emulate, inject, SINGLE_STEP, type VirtualProcessor } from '../emulator';
import { call, type Handler, step } from '../handler';
import type { MmuTechnique } from '../mmu/mmu';

/** What the processor said on the way into the VMM. */
export interface Trap {
  readonly vector: number;
  /** Undefined for vectors without one. */
  readonly errorCode: number | undefined;
  /** CR2 (page faults). */
  readonly linear: number;
}

export interface TrapHandlerContext {
  readonly processor: VirtualProcessor;
  readonly mmu: MmuTechnique;
}

export interface TrapHandler {
  readonly kind: number;
  run(context: TrapHandlerContext, trap: Trap): Handler;
}

function* pageFault(context: TrapHandlerContext, trap: Trap): Handler {
  const verdict = yield* call('shadow page fault', context.mmu.handlePageFault(trap.linear, trap.errorCode ?? 0));
  if (verdict.kind === 'true') yield* call('inject', inject(context.processor, verdict.fault));
  else if (verdict.kind === 'trace') yield* call('emulate', emulate(context.processor));
}

/**
 * A privileged instruction, INT n, a segment load that the shadow GDT does not allow, or an access beyond a cut limit: the
 * virtual processor does it with the guest's own privilege, and raises the guest's own fault where that does not suffice.
 */
function* refused(context: TrapHandlerContext, trap: Trap): Handler {
  yield step('the real ring was refused: try it with the virtual one', {
    vector: trap.vector,
    errorCode: trap.errorCode ?? 0,
    virtualCpl: context.processor.state.cpl,
  });
  yield* call('emulate', emulate(context.processor));
}

/** An exception that does not depend on the ring: the guest's own. */
function* ownFault(context: TrapHandlerContext, trap: Trap): Handler {
  yield* call('inject', inject(context.processor, new GuestFault(trap.vector, trap.errorCode)));
}

/** The host timer: what is due is found out on the way back to the guest, as on every visit. */
function* externalInterrupt(_context: TrapHandlerContext, trap: Trap): Handler {
  yield step('external interrupt in ring 0: the host timer', { vector: trap.vector });
}

/** The guest single-steps itself: the only debug exception, since its debug registers are virtual. */
function* singleStep(context: TrapHandlerContext): Handler {
  yield step('single step of the guest: deliver it', { eip: context.processor.state.eip });
  context.processor.raise(SINGLE_STEP);
}

const PAGE_FAULT: TrapHandler = { kind: HandlerKind.pageFault, run: pageFault };
const REFUSED: TrapHandler = { kind: HandlerKind.emulate, run: refused };
const OWN: TrapHandler = { kind: HandlerKind.inject, run: ownFault };
const STEP: TrapHandler = { kind: HandlerKind.inject, run: singleStep };
const INTERRUPT: TrapHandler = { kind: HandlerKind.externalInterrupt, run: externalInterrupt };

/** By vector. INT n never arrives at its own vector, since the gates have DPL 0: it is a #GP. */
export const TRAP_HANDLERS: ReadonlyMap<number, TrapHandler> = new Map([
  [PF, PAGE_FAULT],
  [GP, REFUSED],
  [NP, REFUSED],
  [SS_FAULT, REFUSED],
  [TS, REFUSED],
  // The virtual CR0 may differ from the real one in what raises it.
  [NM, REFUSED],
  [DE, OWN],
  [DB, STEP],
  [OF, OWN],
  [BR, OWN],
  [UD, OWN],
  [MF, OWN],
  [AC, OWN],
  [HOST_TIMER_VECTOR, INTERRUPT],
]);

/** Vectors that push an error code. */
export const WITH_ERROR_CODE: readonly number[] = [8, TS, NP, SS_FAULT, GP, PF, AC];
