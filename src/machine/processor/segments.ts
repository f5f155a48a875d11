/** Loads and stores of the data and stack segment registers: MOV, PUSH, POP, LDS and their kin (Intel SDM 2, "MOV", "POP", "LDS"). */
import { OFF } from '../../engine/state';
import {
  descriptorDpl,
  isCode,
  isConforming,
  isPresent,
  isReadable,
  isWritableData,
  parseSegment,
  SELECTOR_RPL,
} from '../../x86/descriptors';
import { GP, GuestFault, NP, SS_FAULT, UD } from '../../x86/exceptions';
import { Code, type DecodedInstruction, OpKind, Register } from '../../x86/iced';
import { CS, DS, ES, FS, GS, type SegmentIndex, SS } from '../../x86/registers';
import type { CpuContext } from './context';
import { isNull, markAccessed, readDescriptor, selectorFault, setFromDescriptor, setNull } from './descriptor-tables';
import { Interruptibility, type SystemRow } from './handlers';
import { readFarPointer, readOperand, segmentNumber, storeWord, writeRegister } from './operands';
import { peek, push, release } from './stack';

/** Loads ES, DS, FS, GS or SS with all checks. @throws GuestFault #GP, #NP, #SS or a page fault, with nothing changed */
export function loadSegment(ctx: CpuContext, segment: SegmentIndex, selector: number): void {
  if (segment === SS) loadStackSegment(ctx, selector);
  else loadDataSegment(ctx, segment, selector);
  ctx.modeChanged();
}

function loadStackSegment(ctx: CpuContext, selector: number): void {
  const { cpl } = ctx.state;
  if (isNull(selector)) throw new GuestFault(GP, 0);
  const raw = readDescriptor(ctx, selector, GP);
  const descriptor = parseSegment(raw);
  const wrong =
    (selector & SELECTOR_RPL) !== cpl ||
    !isWritableData(descriptor.attributes) ||
    descriptorDpl(descriptor.attributes) !== cpl;
  if (wrong) throw selectorFault(GP, selector);
  if (!isPresent(descriptor.attributes)) throw selectorFault(SS_FAULT, selector);
  markAccessed(ctx, raw);
  setFromDescriptor(ctx, SS, selector, descriptor);
}

function loadDataSegment(ctx: CpuContext, segment: SegmentIndex, selector: number): void {
  if (isNull(selector)) {
    setNull(ctx, segment, selector);
    return;
  }
  const raw = readDescriptor(ctx, selector, GP);
  const descriptor = parseSegment(raw);
  const { attributes } = descriptor;
  if (!isReadable(attributes)) throw selectorFault(GP, selector);
  if (!isConforming(attributes)) {
    const dpl = descriptorDpl(attributes);
    if ((selector & SELECTOR_RPL) > dpl || ctx.state.cpl > dpl) throw selectorFault(GP, selector);
  }
  if (!isPresent(attributes)) throw selectorFault(NP, selector);
  markAccessed(ctx, raw);
  setFromDescriptor(ctx, segment, selector, descriptor);
}

/** On a return to an outer ring: registers whose segment the new ring may not use become null (Intel SDM 2, "IRET"). */
export function dropInnerSegments(ctx: CpuContext, newCpl: number): void {
  for (const segment of [ES, FS, GS, DS] as const) {
    const attributes = ctx.state.attributes(segment);
    const guarded = !isCode(attributes) || !isConforming(attributes);
    if (guarded && descriptorDpl(attributes) < newCpl) setNull(ctx, segment, 0);
  }
}

/** MOV SS and POP SS hold interrupts and debug traps off until the next instruction has run. */
function shadowAfterStackLoad(ctx: CpuContext, segment: SegmentIndex): void {
  if (segment !== SS) return;
  ctx.state.setWord(OFF.interruptibility, ctx.state.word(OFF.interruptibility) | Interruptibility.movSs);
}

function movToSegment(ctx: CpuContext, instruction: DecodedInstruction): void {
  const segment = segmentNumber(instruction.opRegisters[0] ?? Register.None);
  if (segment === CS) throw new GuestFault(UD);
  const selector = readOperand(ctx, instruction, 1, 2);
  loadSegment(ctx, segment, selector);
  shadowAfterStackLoad(ctx, segment);
}

function movFromSegment(ctx: CpuContext, instruction: DecodedInstruction): void {
  const segment = segmentNumber(instruction.opRegisters[1] ?? Register.None);
  const selector = ctx.state.selector(segment);
  if (instruction.opKinds[0] === OpKind.Register) {
    writeRegister(ctx.state, instruction.opRegisters[0] ?? Register.None, selector);
  } else storeWord(ctx, instruction, 0, selector);
}

const pushSegment =
  (segment: SegmentIndex, size: 2 | 4) =>
  (ctx: CpuContext): void =>
    push(ctx, [ctx.state.selector(segment)], size);

const popSegment =
  (segment: SegmentIndex, size: 2 | 4) =>
  (ctx: CpuContext): void => {
    const selector = peek(ctx, 0, size) & 0xffff;
    // The width that ESP moves by is the old stack's.
    const { state } = ctx;
    const before = state.attributes(SS);
    loadSegment(ctx, segment, selector);
    release(state, size, before);
    shadowAfterStackLoad(ctx, segment);
  };

const loadFar =
  (segment: SegmentIndex, size: 2 | 4) =>
  (ctx: CpuContext, instruction: DecodedInstruction): void => {
    const { selector, offset } = readFarPointer(ctx, instruction, size);
    loadSegment(ctx, segment, selector);
    writeRegister(ctx.state, instruction.opRegisters[0] ?? Register.None, offset);
  };

export const SEGMENT_INSTRUCTIONS: readonly SystemRow[] = [
  [[Code.Mov_Sreg_rm16, Code.Mov_Sreg_r32m16], movToSegment],
  [[Code.Mov_rm16_Sreg, Code.Mov_r32m16_Sreg], movFromSegment],
  [[Code.Pushw_ES], pushSegment(ES, 2)],
  [[Code.Pushd_ES], pushSegment(ES, 4)],
  [[Code.Pushw_CS], pushSegment(CS, 2)],
  [[Code.Pushd_CS], pushSegment(CS, 4)],
  [[Code.Pushw_SS], pushSegment(SS, 2)],
  [[Code.Pushd_SS], pushSegment(SS, 4)],
  [[Code.Pushw_DS], pushSegment(DS, 2)],
  [[Code.Pushd_DS], pushSegment(DS, 4)],
  [[Code.Pushw_FS], pushSegment(FS, 2)],
  [[Code.Pushd_FS], pushSegment(FS, 4)],
  [[Code.Pushw_GS], pushSegment(GS, 2)],
  [[Code.Pushd_GS], pushSegment(GS, 4)],
  [[Code.Popw_ES], popSegment(ES, 2)],
  [[Code.Popd_ES], popSegment(ES, 4)],
  [[Code.Popw_SS], popSegment(SS, 2)],
  [[Code.Popd_SS], popSegment(SS, 4)],
  [[Code.Popw_DS], popSegment(DS, 2)],
  [[Code.Popd_DS], popSegment(DS, 4)],
  [[Code.Popw_FS], popSegment(FS, 2)],
  [[Code.Popd_FS], popSegment(FS, 4)],
  [[Code.Popw_GS], popSegment(GS, 2)],
  [[Code.Popd_GS], popSegment(GS, 4)],
  [[Code.Les_r16_m1616], loadFar(ES, 2)],
  [[Code.Les_r32_m1632], loadFar(ES, 4)],
  [[Code.Lds_r16_m1616], loadFar(DS, 2)],
  [[Code.Lds_r32_m1632], loadFar(DS, 4)],
  [[Code.Lss_r16_m1616], loadFar(SS, 2)],
  [[Code.Lss_r32_m1632], loadFar(SS, 4)],
  [[Code.Lfs_r16_m1616], loadFar(FS, 2)],
  [[Code.Lfs_r32_m1632], loadFar(FS, 4)],
  [[Code.Lgs_r16_m1616], loadFar(GS, 2)],
  [[Code.Lgs_r32_m1632], loadFar(GS, 4)],
];
