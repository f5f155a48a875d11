/** A corpus of source lines: every legacy encoding that iced knows, with several operands each, written by iced's NASM formatter. */
import { EncodingKind } from 'iced-x86';
import {
  type Bitness,
  type EncodeOperand,
  encodeForm,
  formatNasm,
  type InstructionForm,
  instructionForms,
  OpCodeOperandKind as Kind,
  Register,
} from '../../../src/x86/iced';

const codeAddress = 0x1000n;

function register(first: Register, step: number): EncodeOperand {
  return { kind: 'register', register: first + step };
}

function memory(variant: number, bitness: Bitness): EncodeOperand {
  const one = (
    base: Register,
    index: Register,
    scale: number,
    displacement: bigint,
    displacementSize: number,
  ): EncodeOperand => ({
    kind: 'memory',
    base,
    index,
    scale,
    displacement,
    displacementSize,
  });
  const shapes = [
    one(Register.EBX, Register.None, 1, 0n, 0),
    one(Register.ESI, Register.ECX, 4, 0x12n, 1),
    one(Register.EBP, Register.EDI, 1, 0x12345n, 4),
    one(Register.BX, Register.SI, 1, 0x1234n, 2),
    one(Register.BP, Register.None, 1, 0x7fn, 1),
    one(Register.None, Register.None, 1, 0x1234n, bitness === 16 ? 2 : bitness === 32 ? 4 : 8),
    one(Register.ESP, Register.None, 1, 4n, 1),
    one(Register.None, Register.EDX, 8, 0x40n, 4),
  ];
  return shapes[variant % shapes.length] ?? one(Register.EBX, Register.None, 1, 0n, 0);
}

const memoryKinds: ReadonlyMap<Kind, Register | undefined> = new Map([
  [Kind.mem, undefined],
  [Kind.r8_or_mem, Register.AL],
  [Kind.r16_or_mem, Register.AX],
  [Kind.r32_or_mem, Register.EAX],
  [Kind.r64_or_mem, Register.RAX],
  [Kind.mm_or_mem, Register.MM0],
  [Kind.xmm_or_mem, Register.XMM0],
]);

const registerKinds: ReadonlyMap<Kind, Register> = new Map([
  [Kind.r8_reg, Register.AL],
  [Kind.r8_opcode, Register.AL],
  [Kind.r16_reg, Register.AX],
  [Kind.r16_rm, Register.AX],
  [Kind.r16_opcode, Register.AX],
  [Kind.r32_reg, Register.EAX],
  [Kind.r32_rm, Register.EAX],
  [Kind.r32_opcode, Register.EAX],
  [Kind.r64_reg, Register.RAX],
  [Kind.r64_rm, Register.RAX],
  [Kind.r64_opcode, Register.RAX],
  [Kind.mm_reg, Register.MM0],
  [Kind.mm_rm, Register.MM0],
  [Kind.xmm_reg, Register.XMM0],
  [Kind.xmm_rm, Register.XMM0],
  [Kind.sti_opcode, Register.ST0],
  [Kind.es, Register.ES],
  [Kind.cs, Register.CS],
  [Kind.ss, Register.SS],
  [Kind.ds, Register.DS],
  [Kind.fs, Register.FS],
  [Kind.gs, Register.GS],
  [Kind.al, Register.AL],
  [Kind.cl, Register.CL],
  [Kind.ax, Register.AX],
  [Kind.dx, Register.DX],
  [Kind.eax, Register.EAX],
  [Kind.rax, Register.RAX],
  [Kind.st0, Register.ST0],
]);

const fixed: ReadonlySet<Kind> = new Set([
  Kind.es,
  Kind.cs,
  Kind.ss,
  Kind.ds,
  Kind.fs,
  Kind.gs,
  Kind.al,
  Kind.cl,
  Kind.ax,
  Kind.dx,
  Kind.eax,
  Kind.rax,
  Kind.st0,
]);

const immediates: readonly bigint[] = [1n, 5n, 0x7fn, -1n, 0x80n, 0x1234n, 0x12345678n, -0x80n];

function operand(kind: Kind, variant: number, position: number, bitness: Bitness): EncodeOperand | undefined {
  const bank = memoryKinds.get(kind);
  if (memoryKinds.has(kind)) {
    const wantsRegister = bank !== undefined && variant % 3 === 0;
    return wantsRegister ? register(bank, (variant + position * 3) % 8) : memory(variant, bitness);
  }
  const first = registerKinds.get(kind);
  if (first !== undefined) return register(first, fixed.has(kind) ? 0 : (variant * 3 + position) % 8);
  switch (kind) {
    case Kind.seg_reg:
      return register(Register.ES, [0, 2, 3, 4, 5][variant % 5] ?? 0);
    case Kind.cr_reg:
      return register(Register.CR0, [0, 2, 3, 4][variant % 4] ?? 0);
    case Kind.dr_reg:
      return register(Register.DR0, variant % 8);
    case Kind.mem_offs:
      return memory(5, bitness);
    case Kind.br16_1:
    case Kind.br32_1:
    case Kind.br64_1:
    case Kind.br16_2:
    case Kind.br32_4:
    case Kind.br64_4:
      return { kind: 'branch', target: codeAddress + BigInt(variant) };
    case Kind.farbr2_2:
    case Kind.farbr4_2:
      return { kind: 'far', selector: 8n, offset: 0x1234n + BigInt(variant) };
    case Kind.imm8_const_1:
      return { kind: 'immediate', value: 1n };
    case Kind.imm8:
    case Kind.imm8sex16:
    case Kind.imm8sex32:
    case Kind.imm8sex64:
      return { kind: 'immediate', value: [1n, 5n, 0x7fn, -1n][variant % 4] ?? 1n };
    case Kind.imm16:
    case Kind.imm32:
    case Kind.imm32sex64:
    case Kind.imm64:
      return { kind: 'immediate', value: immediates[variant % immediates.length] ?? 1n };
    default:
      return undefined;
  }
}

function textOfForm(form: InstructionForm, variant: number, bitness: Bitness): string | undefined {
  const operands: EncodeOperand[] = [];
  for (const index of form.written) {
    const one = operand(form.operands[index] ?? Kind.None, variant, index, bitness);
    if (!one) return undefined;
    operands.push(one);
  }
  const bytes = encodeForm({
    form,
    operands,
    bitness,
    address: codeAddress,
    segment: variant === 7 && operands.some(({ kind }) => kind === 'memory') ? Register.FS : Register.None,
    lock: false,
    rep: 'none',
    implicitAddressSize: bitness,
  });
  if ('reason' in bytes) return undefined;
  const text = formatNasm(bytes, bitness, codeAddress, 'assembling');
  // A branch to a plain number is no relative one for nasm.
  return operands.some(({ kind }) => kind === 'branch') ? text.replace(/\S+$/, `$+${variant + 4}`) : text;
}

/** The lines for one code width, each once. */
export function formCorpus(bitness: Bitness): string[] {
  const lines = new Set<string>();
  for (const forms of instructionForms().values()) {
    for (const form of forms) {
      if (form.encoding !== EncodingKind.Legacy || !form.modes[bitness]) continue;
      for (let variant = 0; variant < 12; variant++) {
        const text = textOfForm(form, variant, bitness);
        if (text !== undefined && text !== '(bad)') lines.add(text);
      }
    }
  }
  return [...lines];
}
