/** Decoded instructions made ready to execute: register operands as state-block offsets, immediates as plain numbers. */
import { type DecodedInstruction, OpKind, Register } from '../x86/iced';
import { type InstructionForm, instructionForm } from '../x86/instruction-table';
import { CS, DS, ES, FS, GS, type SegmentIndex, SS } from '../x86/registers';
import type { RepeatKind } from '../x86/semantics/context';
import { OFF } from './state';

/** The operand is in memory. */
export const IN_MEMORY = -1;
/** The operand is the immediate. */
export const IS_IMMEDIATE = -2;

export interface PreparedMemory {
  /** State-block offsets; `OFF.zero` for a missing register. */
  readonly base: number;
  readonly index: number;
  /** The index is shifted left by this. */
  readonly shift: number;
  readonly displacement: number;
  /** Bytes of the address; offsets wrap at that width. */
  readonly addressSize: 2 | 4;
}

export interface PreparedInstruction {
  readonly instruction: DecodedInstruction;
  readonly form: InstructionForm;
  readonly repeat: RepeatKind;
  /** Width of implied addresses and counts. */
  readonly addressSize: 2 | 4;
  /** Segment of the memory operand or of the string source. */
  readonly segment: SegmentIndex;
  /** Per operand: state-block offset of its register, IN_MEMORY or IS_IMMEDIATE. */
  readonly operands: readonly number[];
  readonly memory: PreparedMemory | undefined;
  /** First immediate, cut to the operand size, as a signed 32-bit number. */
  readonly immediate: number;
  /** Target offset of a direct branch. */
  readonly target: number;
}

/** Offset in the state block of a general register (8, 16 or 32 bits); `OFF.zero` for none. */
function registerOffset(register: Register): number {
  if (register >= Register.EAX && register <= Register.R15D) return OFF.gpr + (register - Register.EAX) * 8;
  if (register >= Register.AX && register <= Register.R15W) return OFF.gpr + (register - Register.AX) * 8;
  if (register >= Register.AH && register <= Register.BH) return OFF.gpr + (register - Register.AH) * 8 + 1;
  if (register >= Register.AL && register <= Register.BL) return OFF.gpr + (register - Register.AL) * 8;
  return OFF.zero;
}

const SEGMENTS: ReadonlyMap<Register, SegmentIndex> = new Map<Register, SegmentIndex>([
  [Register.ES, ES],
  [Register.CS, CS],
  [Register.SS, SS],
  [Register.DS, DS],
  [Register.FS, FS],
  [Register.GS, GS],
]);

const SHIFTS: Readonly<Record<number, number>> = { 1: 0, 2: 1, 4: 2, 8: 3 };

const WORD_STRING_KINDS: readonly OpKind[] = [OpKind.MemorySegSI, OpKind.MemorySegDI, OpKind.MemoryESDI];

function isWordRegister(register: Register): boolean {
  return register >= Register.AX && register <= Register.R15W;
}

function preparedMemory(instruction: DecodedInstruction): PreparedMemory | undefined {
  const memory = instruction.memory;
  if (memory === undefined) return undefined;
  const isWord =
    isWordRegister(memory.base) ||
    isWordRegister(memory.index) ||
    (memory.displacementSize === 2 && noRegisters(memory));
  return {
    base: registerOffset(memory.base),
    index: registerOffset(memory.index),
    shift: SHIFTS[memory.scale] ?? 0,
    displacement: Number(BigInt.asIntN(32, memory.displacement)),
    addressSize: isWord ? 2 : 4,
  };
}

function noRegisters(memory: { base: Register; index: Register }): boolean {
  return memory.base === Register.None && memory.index === Register.None;
}

function repeatKind(instruction: DecodedInstruction, form: InstructionForm): RepeatKind {
  if (!form.isString || !(instruction.rep || instruction.repne)) return 'none';
  if (form.name !== 'Scas' && form.name !== 'Cmps') return 'rep';
  return instruction.repne ? 'repne' : 'repe';
}

/** Makes an instruction ready to execute; undefined when it is a system instruction or invalid. */
export function prepare(instruction: DecodedInstruction): PreparedInstruction | undefined {
  const form = instructionForm(instruction.code);
  if (form === undefined) return undefined;
  const memory = preparedMemory(instruction);
  const operands = form.operands.map((_, i) => {
    const kind = instruction.opKinds[i];
    if (kind === OpKind.Register) return registerOffset(instruction.opRegisters[i] ?? Register.None);
    return kind === OpKind.Memory ? IN_MEMORY : IS_IMMEDIATE;
  });
  const wordStrings = instruction.opKinds.some((kind) => WORD_STRING_KINDS.includes(kind));
  const signed = Number(BigInt.asIntN(32, instruction.immediate));
  return {
    instruction,
    form,
    repeat: repeatKind(instruction, form),
    addressSize: form.countSize ?? (wordStrings ? 2 : (memory?.addressSize ?? 4)),
    segment: SEGMENTS.get(instruction.memorySegment) ?? DS,
    operands,
    memory,
    immediate: form.size === 4 ? signed : signed & (form.size === 1 ? 0xff : 0xffff),
    target: Number(BigInt.asUintN(32, instruction.nearBranchTarget)),
  };
}
