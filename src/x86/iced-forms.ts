/** Every encoding that iced knows, as plain data: operand kinds, sizes, modes and privilege, by `Code` and by mnemonic. */
import {
  Code,
  CodeExt,
  EncodingKind,
  Instruction,
  type MandatoryPrefix,
  MemorySizeExt,
  Mnemonic,
  OpCodeOperandKind,
} from 'iced-x86';

/** Width in bits of the code segment (D and L bits) that bytes are decoded or encoded for. */
export type Bitness = 16 | 32 | 64;

/** One encoding of an instruction, as an assembler needs it. */
export interface InstructionForm {
  readonly code: Code;
  /** iced's mnemonic in lower case; NASM's other names for it are the assembler's matter. */
  readonly mnemonic: string;
  /** All operands, implicit ones (of string instructions, XLATB) included. */
  readonly operands: readonly OpCodeOperandKind[];
  /** Indices into `operands` of those that are written in source text. */
  readonly written: readonly number[];
  /** Operand size in bits that the encoding selects; 0 when it selects none. */
  readonly operandSize: number;
  /** Address size in bits that the encoding selects (LOOP, JCXZ, MONITOR); 0 when it selects none. */
  readonly addressSize: number;
  /** Bytes of the memory operand; 0 when there is none or its size is open. */
  readonly memoryBytes: number;
  /** The operand size is 64 bits in 64-bit mode without a REX.W prefix. */
  readonly defaultsTo64: boolean;
  readonly mandatoryPrefix: MandatoryPrefix;
  readonly encoding: EncodingKind;
  readonly allowsLock: boolean;
  readonly modes: { readonly 16: boolean; readonly 32: boolean; readonly 64: boolean };
}

const implicitMemory: ReadonlySet<OpCodeOperandKind> = new Set([
  OpCodeOperandKind.seg_rSI,
  OpCodeOperandKind.es_rDI,
  OpCodeOperandKind.seg_rDI,
  OpCodeOperandKind.seg_rBX_al,
]);

const fixedGeneral: ReadonlySet<OpCodeOperandKind> = new Set([
  OpCodeOperandKind.al,
  OpCodeOperandKind.ax,
  OpCodeOperandKind.eax,
  OpCodeOperandKind.rax,
  OpCodeOperandKind.dx,
]);

function writtenOperands(operands: readonly OpCodeOperandKind[]): number[] {
  const isString = operands.some((kind) => implicitMemory.has(kind));
  return operands.flatMap((kind, index) =>
    isString && (implicitMemory.has(kind) || fixedGeneral.has(kind)) ? [] : [index],
  );
}

/** Encodings of single old processors under the names of today's: CMPXCHG of the first 486, LZCNT and its like of Knights Corner. */
function isHistoric(code: Code, encoding: EncodingKind): boolean {
  const name = Code[code];
  return (
    name.startsWith('Cmpxchg486') ||
    (encoding === EncodingKind.VEX && /^VEX_(?:KNC_)?(?:Lzcnt|Tzcnt|Popcnt)_/.test(name))
  );
}

function readForm(code: Code): InstructionForm | undefined {
  const info = CodeExt.opCode(code);
  try {
    // MVEX is the Knights Corner set: no other processor decodes it, and it would win by length.
    if (!info.isInstruction || info.encoding === EncodingKind.MVEX || isHistoric(code, info.encoding)) return undefined;
    const operands = Array.from({ length: info.opCount }, (_, index) => info.opKind(index));
    return {
      code,
      mnemonic: Mnemonic[info.mnemonic].toLowerCase(),
      operands,
      written: writtenOperands(operands),
      operandSize: info.operandSize,
      addressSize: info.addressSize,
      memoryBytes: MemorySizeExt.size(info.memorySize),
      defaultsTo64: info.defaultOpSize64,
      mandatoryPrefix: info.mandatoryPrefix,
      encoding: info.encoding,
      allowsLock: info.canUseLockPrefix,
      modes: {
        16: info.isAvailableInMode(16),
        32: info.isAvailableInMode(32),
        64: info.isAvailableInMode(64),
      },
    };
  } finally {
    info.free();
  }
}

// A table derived from the package alone, filled at first use (some 40 ms): constant data, not state.
let table: ReadonlyMap<string, readonly InstructionForm[]> | undefined;

/** Forms by iced mnemonic (lower case), in ascending `Code` order: "r/m, reg" before "reg, r/m". */
export function instructionForms(): ReadonlyMap<string, readonly InstructionForm[]> {
  if (table) return table;
  const forms = new Map<string, InstructionForm[]>();
  const count = Object.keys(Code).length / 2;
  for (let code = 1; code < count; code++) {
    const form = readForm(code);
    if (!form) continue;
    const siblings = forms.get(form.mnemonic);
    if (siblings) siblings.push(form);
    else forms.set(form.mnemonic, [form]);
  }
  table = forms;
  return forms;
}

/** What a reader wants to know about one encoding. */
export interface OpCodeFacts {
  readonly code: Code;
  readonly mnemonic: string;
  /** As in the manuals, for example `ADC r/m32, imm8` and `o32 83 /2 ib`. */
  readonly instructionText: string;
  readonly opCodeText: string;
  /** Faults above CPL 0 (or at least may, depending on IOPL and control registers: `mayRequireCpl0`). */
  readonly isPrivileged: boolean;
  readonly mustBeCpl0: boolean;
  readonly mayRequireCpl0: boolean;
  readonly isInputOutput: boolean;
  /** Whether the encoding may run at privilege level 0, 1, 2, 3. */
  readonly cpl: readonly [boolean, boolean, boolean, boolean];
  readonly realMode: boolean;
  readonly protectedMode: boolean;
  readonly virtual8086Mode: boolean;
  readonly longMode: boolean;
  readonly availableIn: { readonly 16: boolean; readonly 32: boolean; readonly 64: boolean };
  /** VM exit in VMX non-root operation as iced tells it: coarse, a cross-check and not our exit table. */
  readonly vmExit: 'always' | 'maybe' | 'never';
  readonly flags: FlagEffects;
}

/** Bit sets of RFLAGS in iced's numbering (`RflagsBits`). */
export interface FlagEffects {
  readonly read: number;
  readonly written: number;
  readonly cleared: number;
  readonly set: number;
  readonly undefined: number;
}

/** Facts about one encoding. */
export function opCodeFacts(code: Code): OpCodeFacts {
  const info = CodeExt.opCode(code);
  const instruction = new Instruction();
  try {
    instruction.code = code;
    return {
      code,
      mnemonic: Mnemonic[info.mnemonic].toLowerCase(),
      instructionText: info.instructionString,
      opCodeText: info.opCodeString,
      isPrivileged: info.isPrivileged,
      mustBeCpl0: info.mustBeCpl0,
      mayRequireCpl0: info.mayRequireCpl0,
      isInputOutput: info.isInputOutput,
      cpl: [info.cpl0, info.cpl1, info.cpl2, info.cpl3],
      realMode: info.realMode,
      protectedMode: info.protectedMode,
      virtual8086Mode: info.virtual8086Mode,
      longMode: info.longMode,
      availableIn: {
        16: info.isAvailableInMode(16),
        32: info.isAvailableInMode(32),
        64: info.isAvailableInMode(64),
      },
      vmExit: info.intelVmExit ? 'always' : info.intelMayVmExit ? 'maybe' : 'never',
      flags: {
        read: instruction.rflagsRead,
        written: instruction.rflagsWritten,
        cleared: instruction.rflagsCleared,
        set: instruction.rflagsSet,
        undefined: instruction.rflagsUndefined,
      },
    };
  } finally {
    instruction.free();
    info.free();
  }
}
