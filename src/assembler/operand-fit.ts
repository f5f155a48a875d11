/** Decides whether one written operand fits one operand kind of an encoding, and what is then encoded. */
import {
  type Bitness,
  type EncodeOperand,
  fixedRegister,
  type InstructionForm,
  OpCodeOperandKind as Kind,
  Register,
} from '../x86/iced';
import type { Address } from './addressing';
import type { SourceRange } from './diagnostics';
import type { ImmediateOperand, MemoryReference, Operand } from './operands';
import { generalBits, isOfClass, type registerClasses } from './register-names';
import { isKnownScalar, isScalar, type Value } from './values';

/** An operand that fits, ready for the encoder. */
export interface Fit {
  readonly operand: EncodeOperand;
  readonly warnings: readonly { readonly message: string; readonly range: SourceRange }[];
}

export interface FitQuestion {
  readonly kind: Kind;
  readonly form: InstructionForm;
  readonly mnemonic: string;
  readonly operands: readonly Operand[];
  readonly site: { readonly bitness: Bitness; readonly address: bigint };
  /** Size keyword of the first immediate operand. */
  readonly immediateSize: number | undefined;
  /** Of a memory operand. */
  readonly address: Address | undefined;
}

type ClassName = keyof typeof registerClasses;

/** What the register and memory kinds accept: a general register width or a register class, and whether memory fits too. */
interface RegisterKind {
  readonly bits?: 8 | 16 | 32 | 64;
  readonly class?: ClassName;
  readonly memory?: boolean;
}

const registerKinds: ReadonlyMap<Kind, RegisterKind> = new Map<Kind, RegisterKind>([
  [Kind.r8_or_mem, { bits: 8, memory: true }],
  [Kind.r16_or_mem, { bits: 16, memory: true }],
  [Kind.r32_or_mem, { bits: 32, memory: true }],
  [Kind.r32_or_mem_mpx, { bits: 32, memory: true }],
  [Kind.r64_or_mem, { bits: 64, memory: true }],
  [Kind.r64_or_mem_mpx, { bits: 64, memory: true }],
  [Kind.mm_or_mem, { class: 'mmx', memory: true }],
  [Kind.xmm_or_mem, { class: 'xmm', memory: true }],
  [Kind.ymm_or_mem, { class: 'ymm', memory: true }],
  [Kind.zmm_or_mem, { class: 'zmm', memory: true }],
  [Kind.bnd_or_mem_mpx, { class: 'bound', memory: true }],
  [Kind.k_or_mem, { class: 'mask', memory: true }],
  [Kind.r8_reg, { bits: 8 }],
  [Kind.r8_opcode, { bits: 8 }],
  [Kind.r16_reg, { bits: 16 }],
  [Kind.r16_reg_mem, { bits: 16 }],
  [Kind.r16_rm, { bits: 16 }],
  [Kind.r16_opcode, { bits: 16 }],
  [Kind.r32_reg, { bits: 32 }],
  [Kind.r32_reg_mem, { bits: 32 }],
  [Kind.r32_rm, { bits: 32 }],
  [Kind.r32_opcode, { bits: 32 }],
  [Kind.r32_vvvv, { bits: 32 }],
  [Kind.r64_reg, { bits: 64 }],
  [Kind.r64_reg_mem, { bits: 64 }],
  [Kind.r64_rm, { bits: 64 }],
  [Kind.r64_opcode, { bits: 64 }],
  [Kind.r64_vvvv, { bits: 64 }],
  [Kind.seg_reg, { class: 'segment' }],
  [Kind.cr_reg, { class: 'control' }],
  [Kind.dr_reg, { class: 'debug' }],
  [Kind.tr_reg, { class: 'test' }],
  [Kind.bnd_reg, { class: 'bound' }],
  [Kind.k_reg, { class: 'mask' }],
  [Kind.k_rm, { class: 'mask' }],
  [Kind.k_vvvv, { class: 'mask' }],
  [Kind.mm_reg, { class: 'mmx' }],
  [Kind.mm_rm, { class: 'mmx' }],
  [Kind.sti_opcode, { class: 'fpu' }],
  [Kind.xmm_reg, { class: 'xmm' }],
  [Kind.xmm_rm, { class: 'xmm' }],
  [Kind.xmm_vvvv, { class: 'xmm' }],
  [Kind.xmm_is4, { class: 'xmm' }],
  [Kind.ymm_reg, { class: 'ymm' }],
  [Kind.ymm_rm, { class: 'ymm' }],
  [Kind.ymm_vvvv, { class: 'ymm' }],
  [Kind.ymm_is4, { class: 'ymm' }],
  [Kind.zmm_reg, { class: 'zmm' }],
  [Kind.zmm_rm, { class: 'zmm' }],
  [Kind.zmm_vvvv, { class: 'zmm' }],
]);

const shortBranches: ReadonlySet<Kind> = new Set([Kind.br16_1, Kind.br32_1, Kind.br64_1]);
const nearBranches: ReadonlySet<Kind> = new Set([Kind.br16_2, Kind.br32_4, Kind.br64_4]);

/** True for the operand kinds of relative branches. */
export function isBranch(kind: Kind): boolean {
  return shortBranches.has(kind) || nearBranches.has(kind);
}

/** True for a relative branch with an 8-bit displacement. */
export function isShortBranch(form: InstructionForm): boolean {
  return form.operands.some((kind) => shortBranches.has(kind));
}

/** The fit, or undefined when the operand does not fit the kind. */
export function fitOperand(operand: Operand, question: FitQuestion): Fit | undefined {
  switch (operand.kind) {
    case 'register':
      return fitRegister(operand.register, question);
    case 'memory':
      return fitMemory(operand, question);
    case 'far': {
      if (question.kind !== Kind.farbr2_2 && question.kind !== Kind.farbr4_2) return undefined;
      const wide = question.kind === Kind.farbr4_2 ? 4 : 2;
      if (operand.size !== undefined && operand.size !== wide) return undefined;
      return plain({ kind: 'far', selector: operand.selector.n, offset: operand.offset.n });
    }
    case 'immediate':
      return isBranch(question.kind) ? fitBranch(operand, question) : fitImmediate(operand, question);
  }
}

function plain(operand: EncodeOperand): Fit {
  return { operand, warnings: [] };
}

/** Instructions that only read 16 bits of a register take its 16-bit name without an operand-size prefix. */
const readsSelector: ReadonlySet<string> = new Set(['lldt', 'ltr', 'verr', 'verw', 'lmsw', 'arpl']);

/** Instructions that zero-extend what they store, so that NASM leaves out REX.W for a 64-bit register. */
function extendsByItself(form: InstructionForm, mnemonic: string): boolean {
  return form.operands.includes(Kind.seg_reg) || mnemonic.toLowerCase() === 'sldt';
}

/** `mov rax, 5`: the 32-bit move clears the upper half and is shorter, so NASM takes it. */
function movesLowHalf({ kind, mnemonic, operands }: FitQuestion): boolean {
  const source = operands[1];
  if (kind !== Kind.r32_opcode || mnemonic.toLowerCase() !== 'mov' || source?.kind !== 'immediate') return false;
  return (
    source.size === undefined && isKnownScalar(source.value) && BigInt.asUintN(32, source.value.n) === source.value.n
  );
}

function fitRegister(register: Register, question: FitQuestion): Fit | undefined {
  const { kind, form, mnemonic } = question;
  const fixed = fixedRegister(kind);
  if (fixed !== undefined) return fixed === register ? plain({ kind: 'register', register }) : undefined;
  const accepts = registerKinds.get(kind);
  if (!accepts) return undefined;
  if (accepts.class !== undefined)
    return isOfClass(register, accepts.class) ? plain({ kind: 'register', register }) : undefined;
  const bits = generalBits(register);
  if (bits === accepts.bits) return plain({ kind: 'register', register });
  if (bits === 64 && accepts.bits === 32 && (extendsByItself(form, mnemonic) || movesLowHalf(question))) {
    return plain({ kind: 'register', register: register - Register.RAX + Register.EAX });
  }
  const loadsSegment = form.operands[0] === Kind.seg_reg || readsSelector.has(mnemonic.toLowerCase());
  if (!loadsSegment || form.memoryBytes !== 2) return undefined;
  const [from, to] = bits === 16 ? [Register.AX, Register.EAX] : [Register.EAX, Register.AX];
  if ((bits === 16 && accepts.bits === 32) || (bits === 32 && accepts.bits === 16)) {
    return plain({ kind: 'register', register: register - from + to });
  }
  return undefined;
}

/** Instructions whose memory operand has no data size that a keyword could contradict. */
const sizeless: ReadonlySet<string> = new Set([
  'lea',
  'invlpg',
  'lgdt',
  'lidt',
  'sgdt',
  'sidt',
  'prefetcht0',
  'clflush',
]);

function fitMemory(operand: MemoryReference, question: FitQuestion): Fit | undefined {
  const { kind, form, mnemonic, address, site } = question;
  if (!address) return undefined;
  const encoded = plain(address.memory);
  if (kind === Kind.mem_offs) {
    if (address.memory.base !== Register.None || address.memory.index !== Register.None) return undefined;
    if (site.bitness === 64 && operand.displacementSize !== 8) return undefined;
    return operand.size === undefined || operand.size === form.memoryBytes ? encoded : undefined;
  }
  const isMemoryKind = kind === Kind.mem || kind === Kind.mem_mib || kind === Kind.mem_mpx || kind === Kind.sibmem;
  if (!isMemoryKind && registerKinds.get(kind)?.memory !== true) return undefined;
  if (operand.displacementSize === 8 && site.bitness === 64 && address.memory.base === Register.None) return undefined;
  if (/^(call|jmp)$/i.test(mnemonic)) return fitIndirect(operand, kind, form, encoded);
  const size = operand.size ?? sizeFromImmediate(question);
  if (size === undefined || form.memoryBytes === 0 || sizeless.has(mnemonic.toLowerCase())) return encoded;
  return size === form.memoryBytes ? encoded : undefined;
}

function fitIndirect(operand: MemoryReference, kind: Kind, form: InstructionForm, encoded: Fit): Fit | undefined {
  const isFar = kind === Kind.mem;
  if (isFar !== (operand.distance === 'far')) return undefined;
  const pointerBytes = isFar ? form.memoryBytes - 2 : form.memoryBytes;
  return operand.size === undefined || operand.size === pointerBytes ? encoded : undefined;
}

/** In `mov [x], dword 5` the immediate's keyword gives the size of the memory operand. */
function sizeFromImmediate({ operands, immediateSize }: FitQuestion): number | undefined {
  return operands.some((operand) => operand.kind === 'register') ? undefined : immediateSize;
}

function fitBranch(operand: ImmediateOperand, { kind, form, mnemonic, site }: FitQuestion): Fit | undefined {
  if (operand.distance === 'far') return undefined;
  const isShort = shortBranches.has(kind);
  if (
    isShort &&
    operand.size !== undefined &&
    operand.size > 1 &&
    operand.distance !== 'short' &&
    mnemonic.toLowerCase() === 'jmp'
  )
    return undefined;
  if (isShort && operand.distance === 'near') return undefined;
  if (!isShort && operand.distance === 'short') return undefined;
  if (isShort && operand.strict && operand.size !== 1) return undefined;
  if (operand.size !== undefined && operand.size > 1 && form.operandSize !== operand.size * 8) return undefined;
  // A target that is not known yet is taken to be near, so that the jump starts short.
  return plain({ kind: 'branch', target: operand.value.unknown ? site.address : operand.value.n });
}

/** Immediate kinds: bytes encoded, bytes of the operation, whether the encoded part is sign-extended. */
interface ImmediateKind {
  readonly encoded: number;
  readonly extended: 0 | 2 | 4 | 8;
}

const immediateKinds: ReadonlyMap<Kind, ImmediateKind> = new Map<Kind, ImmediateKind>([
  [Kind.imm8, { encoded: 1, extended: 0 }],
  [Kind.imm8sex16, { encoded: 1, extended: 2 }],
  [Kind.imm8sex32, { encoded: 1, extended: 4 }],
  [Kind.imm8sex64, { encoded: 1, extended: 8 }],
  [Kind.imm16, { encoded: 2, extended: 0 }],
  [Kind.imm32, { encoded: 4, extended: 0 }],
  [Kind.imm32sex64, { encoded: 4, extended: 8 }],
  [Kind.imm64, { encoded: 8, extended: 0 }],
]);

function fitImmediate(operand: ImmediateOperand, question: FitQuestion): Fit | undefined {
  const { value, size, strict } = operand;
  if (question.kind === Kind.imm8_const_1) {
    const isOne = value.unknown || (isScalar(value) && value.n === 1n);
    return isOne && !strict ? plain({ kind: 'immediate', value: 1n }) : undefined;
  }
  const wanted = immediateKinds.get(question.kind);
  if (!wanted) return undefined;
  const { encoded, extended } = wanted;
  if (extended !== 0 && encoded === 1) {
    if (size !== undefined && size !== 1 && (strict || size !== extended)) return undefined;
    if (strict && size !== 1) return undefined;
    if (size !== 1 && !fitsSignExtended(value, 8, extended)) return undefined;
  } else if (extended === 8) {
    if (size !== undefined && size !== 4 && (strict || size !== 8)) return undefined;
    if (size !== 4 && !fitsHalf(value, question)) return undefined;
  } else if (size !== undefined && size !== encoded && !takesAnyKeyword(question.mnemonic)) return undefined;
  return { operand: { kind: 'immediate', value: value.n }, warnings: truncation(operand, encoded, extended) };
}

function takesAnyKeyword(mnemonic: string): boolean {
  return /^(enter|ret|retf|retn)/i.test(mnemonic);
}

/** Optimistic about numbers that a later pass will know, as NASM is. */
function fitsSignExtended(value: Value, bits: number, extendedBytes: number): boolean {
  if (value.unknown) return true;
  if (!isScalar(value)) return false;
  const n = BigInt.asIntN(extendedBytes * 8, value.n);
  return BigInt.asIntN(bits, n) === n;
}

/** A 32-bit sign-extended immediate of a 64-bit operation; an address fits unless MOV can take all 64 bits. */
function fitsHalf(value: Value, { mnemonic, operands }: FitQuestion): boolean {
  if (value.unknown || isScalar(value)) return value.unknown || BigInt.asIntN(32, value.n) === value.n;
  return !(mnemonic.toLowerCase() === 'mov' && operands[0]?.kind === 'register');
}

function truncation(operand: ImmediateOperand, encoded: number, extended: number): Fit['warnings'] {
  const { value, range } = operand;
  const bytes = extended !== 0 && encoded === 1 ? extended : encoded;
  if (!isKnownScalar(value) || bytes === 8) return [];
  const limit = 1n << BigInt(8 * bytes);
  if (value.n >= -(limit >> 1n) && value.n < limit) return [];
  return [
    {
      message: `${value.n} does not fit into ${8 * bytes} bits and is truncated to ${BigInt.asUintN(8 * bytes, value.n)}.`,
      range,
    },
  ];
}
