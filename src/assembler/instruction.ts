/** Assembles one instruction: finds the forms that its operands fit, applies NASM's size rules, and takes the shortest. */
import {
  type Bitness,
  type EncodeOperand,
  encodeForm,
  type InstructionForm,
  opCodeFacts,
  OpCodeOperandKind as Kind,
  Register,
} from '../x86/iced';
import { type Address, resolveAddress } from './addressing';
import { type SourceRange, SourceError } from './diagnostics';
import { type Fit, fitOperand, isBranch, isShortBranch } from './operand-fit';
import type { ImmediateOperand, Operand } from './operands';
import { type Prefixes, readPrefixes, segmentOverride } from './prefixes';
import { generalBits } from './register-names';
import { sectionOf } from './values';
import { formsOf, type MnemonicForms } from './vocabulary';

/** Where an instruction stands, and what its prefixes ask for. */
export interface InstructionSite {
  readonly bitness: Bitness;
  /** Address of the first byte. */
  readonly address: bigint;
  /** Number of the section that is assembled into. */
  readonly section: number;
  readonly defaultRelative: boolean;
}

export interface InstructionText {
  readonly mnemonic: string;
  /** Lower-case prefix words in the order written. */
  readonly prefixes: readonly string[];
  readonly operands: readonly Operand[];
  readonly range: SourceRange;
}

export interface AssembledInstruction {
  readonly bytes: Uint8Array;
  readonly warnings: readonly { readonly message: string; readonly range: SourceRange }[];
  /** The bytes are right in number only. */
  readonly error?: { readonly message: string; readonly range: SourceRange };
  /** The bytes depend on the address (relative branches, IP-relative operands). */
  readonly dependsOnAddress: boolean;
}

interface Candidate {
  readonly form: InstructionForm;
  readonly fits: readonly Fit[];
  readonly operands: readonly Operand[];
}

/** Assembles the instruction; throws {@link SourceError} with the reason when no form takes it. */
export function assembleInstruction(text: InstructionText, site: InstructionSite): AssembledInstruction {
  const known = formsOf(text.mnemonic);
  if (!known) throw new SourceError(`"${text.mnemonic}" is not an instruction.`, text.range);
  const prefixes = readPrefixes(text.prefixes);
  const addresses = new Map<Operand, Address>();
  for (const operand of text.operands) {
    if (operand.kind !== 'memory') continue;
    const mode = { bitness: site.bitness, wanted: prefixes.addressSize, defaultRelative: site.defaultRelative };
    addresses.set(operand, resolveAddress(operand, mode));
  }
  let candidates: Candidate[] = [];
  const isExchange = text.mnemonic.toLowerCase() === 'xchg';
  for (const operands of operandLists(text, prefixes)) {
    candidates.push(...findCandidates(known, operands, addresses, text.mnemonic, site));
    if (candidates.length > 0 && !isExchange) break;
  }
  if (candidates.length === 0) throw noForm(text, known, site.bitness);
  refuseAmbiguousSize(candidates, text);
  candidates = bySize(candidates, known, prefixes, text, site.bitness);
  return shortest(candidates, addresses, prefixes, text, site);
}

/** The operands as written, then the other ways in which NASM reads them. */
function* operandLists(text: InstructionText, prefixes: Prefixes): Generator<readonly Operand[]> {
  const { operands } = text;
  const name = text.mnemonic.toLowerCase();
  const [first, second] = operands;
  if (/^(loop|jcxz|jecxz|jrcxz)/.test(name) && second?.kind === 'register' && first) {
    const bits = generalBits(second.register);
    if (bits !== 8 && bits !== 0) prefixes.addressSize = bits;
    yield [first];
    return;
  }
  if (name === 'xchg' && first && second) {
    // NASM puts the first register into the reg field.
    yield [second, first];
  }
  yield operands;
  if (name === 'test' && first && second) yield [second, first];
  if (name === 'imul' && first?.kind === 'register' && second?.kind === 'immediate' && operands.length === 2) {
    yield [first, first, second];
  }
  const stack = first?.kind === 'register' && first.register >= Register.ST0 && first.register <= Register.ST7;
  if (stack && operands.length === 1) {
    const top: Operand = { ...first, register: Register.ST0 };
    yield first.distance === 'to' || /^f(add|sub|subr|mul|div|divr)p$/.test(name) ? [first, top] : [top, first];
  }
  if (operands.length === 0 && name.startsWith('f')) {
    const st = (register: Register): Operand => ({
      kind: 'register',
      register,
      size: undefined,
      strict: false,
      distance: undefined,
      range: text.range,
    });
    yield [st(Register.ST1), st(Register.ST0)];
    yield [st(Register.ST0), st(Register.ST1)];
    yield [st(Register.ST1)];
  }
}

function findCandidates(
  known: MnemonicForms,
  operands: readonly Operand[],
  addresses: ReadonlyMap<Operand, Address>,
  mnemonic: string,
  site: InstructionSite,
): Candidate[] {
  const immediateSize = operands.find((operand): operand is ImmediateOperand => operand.kind === 'immediate')?.size;
  const found: Candidate[] = [];
  for (const form of known.forms) {
    if (!form.modes[site.bitness] || form.written.length !== operands.length) continue;
    if (known.operandSize !== undefined && form.operandSize !== known.operandSize) continue;
    const fits: Fit[] = [];
    for (const [index, operand] of operands.entries()) {
      const kind = form.operands[form.written[index] ?? 0] ?? Kind.None;
      const fit = fitOperand(operand, {
        kind,
        form,
        mnemonic,
        operands,
        site,
        immediateSize,
        address: addresses.get(operand),
      });
      if (!fit) break;
      fits.push(fit);
    }
    if (fits.length === operands.length) found.push({ form, fits, operands });
  }
  return found;
}

const openSizes: ReadonlySet<number> = new Set([1, 2, 4, 8, 10]);

/** A memory operand whose size neither a keyword nor a register tells must have one size in all forms. */
function refuseAmbiguousSize(candidates: readonly Candidate[], text: InstructionText): void {
  const memory = text.operands.find((operand) => operand.kind === 'memory');
  const name = text.mnemonic.toLowerCase();
  if (!memory || memory.size !== undefined || name === 'call' || name === 'jmp') return;
  const immediate = text.operands.find((operand) => operand.kind === 'immediate');
  if (immediate?.size !== undefined) return;
  const found = new Set(candidates.map(({ form }) => form.memoryBytes).filter((size) => openSizes.has(size)));
  if (found.size < 2) return;
  const words = [...found].map((size) => sizeWord(size)).join(', ');
  throw new SourceError(`The size of the memory operand is open; write one of ${words} before "[".`, memory.range);
}

function sizeWord(size: number): string {
  return { 1: 'byte', 2: 'word', 4: 'dword', 8: 'qword', 10: 'tword' }[size] ?? `${size} bytes`;
}

/** Keeps the forms of the operand and address size that prefix, keyword or mode ask for, where several remain. */
function bySize(
  candidates: readonly Candidate[],
  known: MnemonicForms,
  prefixes: Prefixes,
  text: InstructionText,
  bitness: Bitness,
): Candidate[] {
  const isFar = text.operands[0]?.kind === 'memory' && text.operands[0].distance === 'far';
  const wants64 = isFar || candidates.some(({ form }) => form.defaultsTo64 && form.operandSize === 64);
  const keyword = text.operands.find((operand) => operand.kind !== 'register' && operand.kind !== 'memory')?.size;
  const byKeyword = keyword !== undefined && keyword > 1 && keyword <= 8 ? keyword * 8 : undefined;
  const wanted =
    known.operandSize ?? prefixes.operandSize ?? byKeyword ?? (bitness === 64 ? (wants64 ? 64 : 32) : bitness);
  const fitting = keep(candidates, ({ form }) => form.operandSize === 0 || form.operandSize === wanted);
  const ofSize =
    prefixes.operandSize === undefined ? fitting : keep(fitting, ({ form }) => form.operandSize === wanted);
  const wantedAddress = prefixes.addressSize ?? bitness;
  return keep(ofSize, ({ form }) => form.addressSize === 0 || form.addressSize === wantedAddress);
}

function keep(candidates: readonly Candidate[], wanted: (candidate: Candidate) => boolean): Candidate[] {
  const kept = candidates.filter(wanted);
  return kept.length > 0 ? kept : [...candidates];
}

function shortest(
  candidates: readonly Candidate[],
  addresses: ReadonlyMap<Operand, Address>,
  prefixes: Prefixes,
  text: InstructionText,
  site: InstructionSite,
): AssembledInstruction {
  let best: { readonly bytes: Uint8Array; readonly candidate: Candidate } | undefined;
  let reason = '';
  for (const candidate of candidates) {
    const reach = isShortBranch(candidate.form) ? shortReach(candidate, addresses, prefixes, text, site) : true;
    if (reach === false) continue;
    if (reach !== true) return reach;
    const bytes = encodeCandidate(candidate, addresses, prefixes, text, site);
    if ('reason' in bytes) {
      reason = bytes.reason;
      continue;
    }
    const better =
      !best ||
      bytes.length < best.bytes.length ||
      (bytes.length === best.bytes.length && prefers(candidate, best.candidate));
    if (better) best = { bytes, candidate };
  }
  if (!best) throw new SourceError(`"${text.mnemonic}" cannot be encoded with these operands: ${reason}.`, text.range);
  const { form, fits } = best.candidate;
  return {
    bytes: best.bytes,
    warnings: fits.flatMap((fit) => fit.warnings),
    dependsOnAddress:
      form.operands.some(isBranch) || [...addresses.values()].some(({ memory }) => memory.base === Register.RIP),
  };
}

const extendedImmediates: ReadonlySet<Kind> = new Set([Kind.imm8sex16, Kind.imm8sex32, Kind.imm8sex64]);

/** Of two equally long encodings NASM takes the one with the sign-extended byte: `add ax, 1` is 83 C0 01. */
function prefers(candidate: Candidate, best: Candidate): boolean {
  const extendsByte = ({ form }: Candidate) => form.operands.some((kind) => extendedImmediates.has(kind));
  return extendsByte(candidate) && !extendsByte(best);
}

function encodeCandidate(
  candidate: Candidate,
  addresses: ReadonlyMap<Operand, Address>,
  prefixes: Prefixes,
  text: InstructionText,
  site: InstructionSite,
): Uint8Array | { readonly reason: string } {
  const { form, fits } = candidate;
  const segment = text.operands.find((operand) => operand.kind === 'memory' && operand.segment !== undefined);
  const own = segment?.kind === 'memory' ? segment.segment : undefined;
  const takesSegment = addresses.size > 0 || form.written.length < form.operands.length;
  const encoded = encodeForm({
    form,
    operands: fits.map((fit): EncodeOperand => fit.operand),
    bitness: site.bitness,
    address: site.address,
    segment: own ?? (takesSegment ? prefixes.segment : Register.None),
    lock: prefixes.lock,
    rep: prefixes.rep,
    implicitAddressSize: prefixes.addressSize ?? site.bitness,
  });
  if ('reason' in encoded) return encoded;
  return withLoosePrefixes(encoded, candidate, addresses, prefixes, takesSegment, site);
}

/** Prefixes that the form has no use for are written all the same, as NASM does. */
function withLoosePrefixes(
  bytes: Uint8Array,
  { form }: Candidate,
  addresses: ReadonlyMap<Operand, Address>,
  prefixes: Prefixes,
  takesSegment: boolean,
  { bitness }: InstructionSite,
): Uint8Array {
  const extra: number[] = [];
  if (!takesSegment && prefixes.segment !== Register.None) extra.push(segmentOverride(prefixes.segment));
  const { operandSize, addressSize } = prefixes;
  if (operandSize !== undefined && operandSize !== form.operandSize && operandSize !== bitness && operandSize !== 64)
    extra.push(0x66);
  const addressUsed = addresses.size > 0 || form.written.length < form.operands.length || form.addressSize !== 0;
  if (addressSize !== undefined && !addressUsed && addressSize !== bitness) extra.push(0x67);
  return extra.length === 0 ? bytes : Uint8Array.from([...extra, ...bytes]);
}

/**
 * True when a short branch reaches its target, or when the target is not known yet (a later pass corrects that).
 * A branch that has no longer form keeps its length when it misses, so that the labels behind it stay where they are.
 */
function shortReach(
  candidate: Candidate,
  addresses: ReadonlyMap<Operand, Address>,
  prefixes: Prefixes,
  text: InstructionText,
  site: InstructionSite,
): boolean | AssembledInstruction {
  const operand = candidate.operands[0];
  if (operand?.kind !== 'immediate') return true;
  const only = operand.distance === 'short' || !hasNearForm(text.mnemonic);
  const { value } = operand;
  if (value.unknown) return true;
  const sameSection = sectionOf(value) === site.section;
  if (!sameSection && !only) return false;
  // The length does not depend on the target, so a branch to itself tells it.
  const fits = [{ operand: { kind: 'branch', target: site.address } as const, warnings: [] }];
  const sample = encodeCandidate({ ...candidate, fits }, addresses, prefixes, text, site);
  if ('reason' in sample) return false;
  const distance = value.n - (site.address + BigInt(sample.length));
  const wrapped = site.bitness === 16 ? BigInt.asIntN(16, distance) : distance;
  if (wrapped >= -128n && wrapped <= 127n) return true;
  if (!only) return false;
  const over = wrapped > 0n ? wrapped - 127n : -128n - wrapped;
  const message = hasNearForm(text.mnemonic)
    ? `The short jump misses its target by ${over} bytes; remove "short".`
    : `"${text.mnemonic}" reaches only -128 to +127 bytes and misses its target by ${over}; jump to a nearby "jmp" instead.`;
  return { bytes: sample, warnings: [], error: { message, range: operand.range }, dependsOnAddress: true };
}

function hasNearForm(mnemonic: string): boolean {
  return formsOf(mnemonic)?.forms.some((form) => form.operands.some(isBranch) && !isShortBranch(form)) ?? false;
}

function noForm(text: InstructionText, known: MnemonicForms, bitness: Bitness): SourceError {
  const inMode = known.forms.filter((form) => form.modes[bitness]);
  if (inMode.length === 0) {
    const where = known.forms.some((form) => form.modes[64]) ? '64-bit' : '16-bit and 32-bit';
    return new SourceError(
      `"${text.mnemonic}" exists in ${where} code only, and this is ${bitness}-bit code.`,
      text.range,
    );
  }
  const texts = [...new Set(inMode.map((form) => opCodeFacts(form.code).instructionText))];
  const shown = texts.slice(0, 6).join(' | ') + (texts.length > 6 ? ' | ...' : '');
  return new SourceError(
    `"${text.mnemonic}" does not take these operands in ${bitness}-bit code; it takes: ${shown}.`,
    text.range,
  );
}
