/**
 * The instruction table: for each iced `Code` that the engine executes, its semantics and operand shapes.
 *
 * iced names a code by its operands (`Add_rm32_imm8`), so the shapes are read from the name and only the mnemonic is
 * listed here. A code that is not in the table is a system instruction (or unknown): the processor deals with it.
 */
import { Code } from './iced';
import * as arithmetic from './semantics/arithmetic';
import { CONDITION_NAMES } from './semantics/conditions';
import type { OperandSize, Semantics } from './semantics/context';
import * as control from './semantics/control';
import * as decimal from './semantics/decimal';
import * as logic from './semantics/logic';
import * as move from './semantics/move';
import * as multiply from './semantics/multiply';
import * as shift from './semantics/shift';
import * as stack from './semantics/stack';
import * as string from './semantics/string';

/** What an operand may be; `either` is a register or memory (ModRM). */
export type OperandShape = 'register' | 'either' | 'memory' | 'immediate';

export interface OperandForm {
  readonly shape: OperandShape;
  readonly size: OperandSize;
}

export interface InstructionForm {
  /** Name of the semantics; forms with the same name, sizes and shapes do the same. */
  readonly name: string;
  readonly semantics: Semantics;
  /** Operand size of the instruction. */
  readonly size: OperandSize;
  /** Explicit operands; empty for string instructions and branches, whose operands are implied. */
  readonly operands: readonly OperandForm[];
  /** A string instruction: repeat prefixes apply. */
  readonly isString: boolean;
  /** Bytes of the count register that the code's name fixes (LOOP, JCXZ). */
  readonly countSize: 2 | 4 | undefined;
}

/** Semantics by iced mnemonic, where the operand tokens say all the rest. */
const GENERAL: Readonly<Record<string, Semantics>> = {
  Mov: move.mov,
  Movzx: move.mov,
  Lea: move.lea,
  Xchg: move.xchg,
  Xadd: arithmetic.xadd,
  Cmpxchg: arithmetic.cmpxchg,
  Bswap: logic.bswap,
  Add: arithmetic.add,
  Adc: arithmetic.adc,
  Sub: arithmetic.sub,
  Sbb: arithmetic.sbb,
  Cmp: arithmetic.cmp,
  Inc: arithmetic.inc,
  Dec: arithmetic.dec,
  Neg: arithmetic.neg,
  And: logic.and,
  Or: logic.or,
  Xor: logic.xor,
  Test: logic.test,
  Not: logic.not,
  Bsf: logic.bsf,
  Bsr: logic.bsr,
  Shl: shift.shl,
  Sal: shift.shl,
  Shr: shift.shr,
  Sar: shift.sar,
  Rol: shift.rol,
  Ror: shift.ror,
  Rcl: shift.rcl,
  Rcr: shift.rcr,
  Shld: shift.shld,
  Shrd: shift.shrd,
  Mul: multiply.mul,
  Div: multiply.div,
  Idiv: multiply.idiv,
  Aam: decimal.aam,
  Aad: decimal.aad,
  Push: stack.push,
  Pushd: stack.push,
  Pushw: stack.push,
  Pop: stack.pop,
  Nop: move.nop,
};

/** Codes whose operands are implied, with their operand size in bytes. */
const IMPLIED: Readonly<Record<string, readonly [Semantics, OperandSize]>> = {
  Pushad: [stack.pusha, 4],
  Pushaw: [stack.pusha, 2],
  Popad: [stack.popa, 4],
  Popaw: [stack.popa, 2],
  Pushfd: [stack.pushf, 4],
  Pushfw: [stack.pushf, 2],
  Leaved: [stack.leave, 4],
  Leavew: [stack.leave, 2],
  Enterd_imm16_imm8: [stack.enter, 4],
  Enterw_imm16_imm8: [stack.enter, 2],
  Retnd: [control.ret, 4],
  Retnw: [control.ret, 2],
  Cbw: [multiply.extendAccumulator, 2],
  Cwde: [multiply.extendAccumulator, 4],
  Cwd: [multiply.signToData, 2],
  Cdq: [multiply.signToData, 4],
  Clc: [move.clc, 4],
  Stc: [move.stc, 4],
  Cmc: [move.cmc, 4],
  Cld: [move.cld, 4],
  Std: [move.std, 4],
  Lahf: [move.lahf, 4],
  Sahf: [move.sahf, 4],
  Xlat_m8: [move.xlat, 1],
  Daa: [decimal.daa, 1],
  Das: [decimal.das, 1],
  Aaa: [decimal.aaa, 1],
  Aas: [decimal.aas, 1],
  Salc: [decimal.salc, 1],
  Nopd: [move.nop, 4],
  Nopw: [move.nop, 2],
  Pause: [move.nop, 4],
  Endbr32: [move.nop, 4],
  Endbr64: [move.nop, 4],
  Prefetchnta_m8: [move.nop, 1],
  Prefetcht0_m8: [move.nop, 1],
  Prefetcht1_m8: [move.nop, 1],
  Prefetcht2_m8: [move.nop, 1],
};

/** String instructions by mnemonic stem; the suffix letter is the element size. */
const STRINGS: Readonly<Record<string, Semantics>> = {
  Movs: string.movs,
  Stos: string.stos,
  Lods: string.lods,
  Scas: string.scas,
  Cmps: string.cmps,
};
const STRING_CODE = /^(Movs|Stos|Lods|Scas|Cmps)([bwd])_(m8|m16|m32|AL|AX|EAX)_(m8|m16|m32|AL|AX|EAX)$/;
const ELEMENT_SIZE: Readonly<Record<string, OperandSize>> = { b: 1, w: 2, d: 4 };

/** Direct branches: the token after the displacement is the operand size, then maybe the count register. */
const BRANCHES: Readonly<Record<string, Semantics>> = {
  Jmp: control.jmp,
  Call: control.call,
  Loop: control.loop,
  Loope: control.loope,
  Loopne: control.loopne,
  Jcxz: control.jcxz,
  Jecxz: control.jcxz,
};
const BRANCH_CODE = /^([A-Za-z]+)_rel(8_16|16|8_32|32_32)(?:_(CX|ECX))?$/;

/** Bit tests: with a register index the memory operand may lie elsewhere. */
const BIT_TESTS: Readonly<Record<string, readonly [immediate: Semantics, register: Semantics]>> = {
  Bt: [logic.bt, logic.btByRegister],
  Bts: [logic.bts, logic.btsByRegister],
  Btr: [logic.btr, logic.btrByRegister],
  Btc: [logic.btc, logic.btcByRegister],
};

const FIXED_REGISTERS: Readonly<Record<string, OperandSize>> = { AL: 1, CL: 1, AX: 2, EAX: 4 };

/** An operand token of an iced code name; undefined for one that the engine does not execute. */
function operandForm(token: string): OperandForm | undefined {
  const fixed = FIXED_REGISTERS[token];
  if (fixed !== undefined) return { shape: 'register', size: fixed };
  if (token === '1') return { shape: 'immediate', size: 1 };
  if (token === 'm') return { shape: 'memory', size: 4 };
  const match = /^(rm|r|imm|moffs|m)(8|16|32)$/.exec(token);
  if (match === null) return undefined;
  const size: OperandSize = match[2] === '8' ? 1 : match[2] === '16' ? 2 : 4;
  switch (match[1]) {
    case 'rm':
      return { shape: 'either', size };
    case 'r':
      return { shape: 'register', size };
    case 'imm':
      return { shape: 'immediate', size };
    default:
      return { shape: 'memory', size };
  }
}

function conditional(mnemonic: string): { stem: string; condition: number } | undefined {
  const match = /^(J|Set|Cmov)([a-z]+)$/.exec(mnemonic);
  const condition = CONDITION_NAMES.findIndex((name) => name === match?.[2]);
  return match === null || condition < 0 ? undefined : { stem: match[1] ?? '', condition };
}

/** Semantics of a mnemonic with explicit operands, and its name among the semantics. */
function explicitSemantics(mnemonic: string, tokens: readonly string[]): readonly [string, Semantics] | undefined {
  const bit = BIT_TESTS[mnemonic];
  if (bit !== undefined) return tokens[1] === 'imm8' ? [mnemonic, bit[0]] : [`${mnemonic}ByRegister`, bit[1]];
  if (mnemonic === 'Movsx') {
    return tokens[1] === 'rm8' ? ['MovsxByte', move.signExtendFrom(1)] : ['MovsxWord', move.signExtendFrom(2)];
  }
  if (mnemonic === 'Imul') {
    if (tokens.length === 1) return ['ImulWide', multiply.imulWide];
    return tokens.length === 2 ? ['ImulTwo', multiply.imulTwo] : ['ImulThree', multiply.imulThree];
  }
  if (mnemonic === 'Jmp') return ['JmpIndirect', control.jmpIndirect];
  if (mnemonic === 'Call') return ['CallIndirect', control.callIndirect];
  if (mnemonic === 'Movzx') return ['Mov', move.mov];
  if (mnemonic === 'Sal') return ['Shl', shift.shl];
  if (mnemonic === 'Pushd' || mnemonic === 'Pushw') return ['Push', stack.push];
  const condition = conditional(mnemonic);
  if (condition?.stem === 'Set') return [mnemonic, move.setcc(condition.condition)];
  if (condition?.stem === 'Cmov') return [mnemonic, move.cmovcc(condition.condition)];
  const general = GENERAL[mnemonic];
  return general === undefined ? undefined : [mnemonic, general];
}

function branchForm(name: string): InstructionForm | undefined {
  const match = BRANCH_CODE.exec(name);
  if (match === null) return undefined;
  const mnemonic = match[1] ?? '';
  const condition = conditional(mnemonic);
  const semantics = condition?.stem === 'J' ? control.jcc(condition.condition) : BRANCHES[mnemonic];
  if (semantics === undefined) return undefined;
  const countSize =
    mnemonic === 'Jcxz' || match[3] === 'CX' ? 2 : mnemonic === 'Jecxz' || match[3] === 'ECX' ? 4 : undefined;
  const size = match[2] === '8_16' || match[2] === '16' ? 2 : 4;
  return { name: mnemonic, semantics, size, operands: [], isString: false, countSize };
}

/** Undocumented duplicates carry a suffix with their opcode (`Test_rm8_imm8_F6r1`). */
const DUPLICATE = /_(82|F6r1|F7r1)$/;

function formOf(name: string): InstructionForm | undefined {
  const plain = { isString: false, countSize: undefined } as const;
  const implied = IMPLIED[name];
  if (implied !== undefined) {
    return { ...plain, name: name.split('_')[0] ?? name, semantics: implied[0], size: implied[1], operands: [] };
  }
  const text = STRING_CODE.exec(name);
  if (text !== null) {
    const semantics = STRINGS[text[1] ?? ''];
    const size = ELEMENT_SIZE[text[2] ?? ''];
    if (semantics === undefined || size === undefined) return undefined;
    return { ...plain, name: text[1] ?? '', semantics, size, operands: [], isString: true };
  }
  const branch = branchForm(name);
  if (branch !== undefined) return branch;
  const [mnemonic = '', ...tokens] = name.replace(DUPLICATE, '').split('_');
  if (mnemonic === 'Reservednop' && !name.includes('64')) {
    return { ...plain, name: 'Nop', semantics: move.nop, size: 4, operands: [] };
  }
  if (mnemonic === 'Retnd' || mnemonic === 'Retnw') {
    const size = mnemonic === 'Retnd' ? 4 : 2;
    return {
      ...plain,
      name: 'RetImmediate',
      semantics: control.retImmediate,
      size,
      operands: [{ shape: 'immediate', size: 4 }],
    };
  }
  const operands: OperandForm[] = [];
  for (const token of tokens) {
    const operand = operandForm(token);
    if (operand === undefined) return undefined;
    operands.push(operand);
  }
  const semantics = explicitSemantics(mnemonic, tokens);
  const first = operands[0];
  if (semantics === undefined || first === undefined) return undefined;
  // PUSH imm8 pushes a whole stack element.
  const size = mnemonic === 'Pushd' ? 4 : mnemonic === 'Pushw' ? 2 : first.size;
  return { ...plain, name: semantics[0], semantics: semantics[1], size, operands };
}

const FORMS: readonly (InstructionForm | undefined)[] = (() => {
  const forms: (InstructionForm | undefined)[] = [];
  for (const [name, code] of Object.entries(Code)) {
    // The enumeration object maps both ways; only name to number is wanted.
    if (typeof code === 'number') forms[code] = formOf(name);
  }
  return forms;
})();

/** The form of a code, undefined for system and unknown instructions. */
export function instructionForm(code: Code): InstructionForm | undefined {
  return FORMS[code];
}

/** All forms that the engine executes. */
export function instructionForms(): InstructionForm[] {
  return FORMS.filter((form) => form !== undefined);
}

/**
 * True for what the processor must do itself: everything that touches segment, control or debug registers, descriptor
 * tables, ports, interrupts, IF or IOPL, and every code that the engine does not know (#UD among them).
 */
export function isSystemInstruction(code: Code): boolean {
  return FORMS[code] === undefined;
}
