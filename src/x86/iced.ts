/** The one wrapper around iced-x86's decoder and formatter: bytes in, plain structs out, every WebAssembly object freed here. */
import {
  Code,
  type CodeSize,
  Decoder,
  DecoderError,
  type FlowControl,
  Formatter,
  FormatterSyntax,
  Instruction,
  OpKind,
  Register,
} from 'iced-x86';

export {
  Code,
  CodeSize,
  FlowControl,
  Mnemonic,
  OpCodeOperandKind,
  OpKind,
  Register,
  RflagsBits,
} from 'iced-x86';
export {
  type Bitness,
  type InstructionForm,
  instructionForms,
  type OpCodeFacts,
  opCodeFacts,
} from './iced-forms';
export { type EncodeMemory, type EncodeOperand, encodeForm, fixedRegister } from './iced-encoder';
import type { Bitness } from './iced-forms';

/** The parts of a memory operand, as encoded; string instructions have none (their operand kinds say which they use). */
export interface DecodedMemory {
  /** Base register or `Register.None`; `Register.RIP`/`EIP` for IP-relative operands. */
  readonly base: Register;
  /** Index register or `Register.None`. */
  readonly index: Register;
  /** 1, 2, 4 or 8. */
  readonly scale: number;
  /** Unsigned, truncated to the address size (two's complement); for IP-relative operands the absolute target address. */
  readonly displacement: bigint;
  /** Bytes of displacement in the encoding: 0, 1, 2, 4 or 8. */
  readonly displacementSize: number;
}

/** One decoded instruction; plain data that may be kept, compared and copied. */
export interface DecodedInstruction {
  readonly ip: bigint;
  /** Length in bytes, 1 to 15; of an invalid instruction the number of bytes that iced looked at. */
  readonly length: number;
  /** iced's `Code`: one value per encoding, the key of our semantics table. `Code.INVALID` (0) when invalid. */
  readonly code: Code;
  readonly mnemonic: number;
  readonly codeSize: CodeSize;
  readonly isInvalid: boolean;
  /** Invalid only because the bytes ended: decode again with more (up to 15) bytes. */
  readonly needsMoreBytes: boolean;
  /** iced's `OpKind` of each operand. */
  readonly opKinds: readonly OpKind[];
  /** Register of each operand, `Register.None` where the operand is not a register. */
  readonly opRegisters: readonly Register[];
  /** First immediate operand, sign- or zero-extended to 64 bits as the operand kind says, as unsigned; 0n when none. */
  readonly immediate: bigint;
  /** Second 8-bit immediate (ENTER, EXTRQ, INSERTQ); 0 when none. */
  readonly immediate2: number;
  /** Absolute target of a near branch, truncated to the operand size; 0n when none. */
  readonly nearBranchTarget: bigint;
  readonly farBranch: { readonly selector: number; readonly offset: number } | undefined;
  readonly memory: DecodedMemory | undefined;
  /** Segment that memory operands use by default or by prefix (`DS` for string sources without prefix); `None` without memory. */
  readonly memorySegment: Register;
  /** iced's `MemorySize` of the memory operand, 0 when none. */
  readonly memorySize: number;
  /** Segment override prefix or `Register.None`. */
  readonly segmentPrefix: Register;
  readonly lock: boolean;
  /** F3 as REP/REPE; `repe` and `rep` are the same bit of the encoding. */
  readonly rep: boolean;
  /** F2 as REPNE. */
  readonly repne: boolean;
  readonly flowControl: FlowControl;
}

// Scratch objects: their content never outlives one call, so sharing them between machines is safe, and it saves an
// allocation in WebAssembly memory per instruction. They are made at the first call, after a bundle has loaded iced.
let scratch: Instruction | undefined;
const formatters = new Map<string, Formatter>();

function scratchInstruction(): Instruction {
  scratch ??= new Instruction();
  return scratch;
}

/**
 * Decodes the instruction at the start of `bytes`.
 * @param bytes at least one byte; up to 15 are looked at (more is allowed and costs a copy)
 * @param ip address of the first byte, for relative branches and IP-relative operands
 */
export function decode(bytes: Uint8Array, bitness: Bitness, ip: bigint): DecodedInstruction {
  const decoder = new Decoder(bitness, bytes, 0);
  try {
    decoder.ip = ip;
    return decodeNext(decoder, scratchInstruction());
  } finally {
    decoder.free();
  }
}

/** Decodes up to `limit` instructions one after another until the bytes end; a truncated last one is left out. */
export function decodeRun(bytes: Uint8Array, bitness: Bitness, ip: bigint, limit: number): DecodedInstruction[] {
  const decoder = new Decoder(bitness, bytes, 0);
  const run: DecodedInstruction[] = [];
  try {
    decoder.ip = ip;
    while (run.length < limit && decoder.canDecode) {
      const next = decodeNext(decoder, scratchInstruction());
      if (next.needsMoreBytes) break;
      run.push(next);
    }
  } finally {
    decoder.free();
  }
  return run;
}

function decodeNext(decoder: Decoder, instruction: Instruction): DecodedInstruction {
  decoder.decodeOut(instruction);
  const code = instruction.code;
  const count = code === Code.INVALID ? 0 : instruction.opCount;
  const opKinds: OpKind[] = [];
  const opRegisters: Register[] = [];
  let immediate = 0n;
  let immediate2 = 0;
  let immediates = 0;
  let nearBranchTarget = 0n;
  let farBranch: DecodedInstruction['farBranch'];
  let memory: DecodedMemory | undefined;
  let touchesMemory = false;
  for (let operand = 0; operand < count; operand++) {
    const kind = instruction.opKind(operand);
    opKinds.push(kind);
    opRegisters.push(kind === OpKind.Register ? instruction.opRegister(operand) : Register.None);
    if (kind === OpKind.Register) continue;
    if (kind <= OpKind.NearBranch64) nearBranchTarget = instruction.nearBranchTarget;
    else if (kind <= OpKind.FarBranch32) {
      farBranch = {
        selector: instruction.farBranchSelector,
        offset: kind === OpKind.FarBranch16 ? instruction.farBranch16 : instruction.farBranch32,
      };
    } else if (kind === OpKind.Immediate8_2nd) immediate2 = instruction.immediate8_2nd;
    else if (kind <= OpKind.Immediate32to64) {
      if (immediates++ === 0) immediate = BigInt.asUintN(64, instruction.immediate(operand));
    } else {
      touchesMemory = true;
      if (kind === OpKind.Memory) {
        memory = {
          base: instruction.memoryBase,
          index: instruction.memoryIndex,
          scale: instruction.memoryIndexScale,
          displacement: BigInt.asUintN(64, instruction.memoryDisplacement),
          displacementSize: instruction.memoryDisplSize,
        };
      }
    }
  }
  return {
    ip: instruction.ip,
    length: instruction.length,
    code,
    mnemonic: instruction.mnemonic,
    codeSize: instruction.codeSize,
    isInvalid: code === Code.INVALID,
    needsMoreBytes: code === Code.INVALID && decoder.lastError === DecoderError.NoMoreBytes,
    opKinds,
    opRegisters,
    immediate,
    immediate2,
    nearBranchTarget,
    farBranch,
    memory,
    memorySegment: touchesMemory ? instruction.memorySegment : Register.None,
    memorySize: touchesMemory ? instruction.memorySize : 0,
    segmentPrefix: instruction.segmentPrefix,
    lock: instruction.hasLockPrefix,
    rep: instruction.hasRepPrefix,
    repne: instruction.hasRepnePrefix,
    flowControl: instruction.flowControl,
  };
}

/** How {@link formatNasm} writes numbers: as people read them, or as NASM assembles them back unambiguously. */
export type NasmStyle = 'reading' | 'assembling';

function nasmFormatter(style: NasmStyle): Formatter {
  const known = formatters.get(style);
  if (known) return known;
  const formatter = new Formatter(FormatterSyntax.Nasm);
  formatter.hexPrefix = '0x';
  formatter.hexSuffix = '';
  formatter.uppercaseHex = false;
  formatter.spaceAfterOperandSeparator = style === 'reading';
  formatter.branchLeadingZeros = false;
  formatter.showBranchSize = style === 'assembling';
  formatter.nasmShowSignExtendedImmediateSize = style === 'assembling';
  formatters.set(style, formatter);
  return formatter;
}

/** The NASM text of the first instruction in `bytes`; `(bad)` for bytes that are no instruction. */
export function formatNasm(bytes: Uint8Array, bitness: Bitness, ip: bigint, style: NasmStyle = 'reading'): string {
  const decoder = new Decoder(bitness, bytes, 0);
  try {
    decoder.ip = ip;
    const instruction = scratchInstruction();
    decoder.decodeOut(instruction);
    return nasmFormatter(style).format(instruction);
  } finally {
    decoder.free();
  }
}
