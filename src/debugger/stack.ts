/**
 * The call stack of assembly code: return addresses that are proven by the call before them, and the contexts that
 * interrupts and exceptions left behind, down through the privilege levels.
 */
import { decode, FlowControl } from '../x86/iced';
import type { CodeMap } from './code-map';

/** What unwinding reads. */
export interface StackSource {
  readonly eip: number;
  readonly esp: number;
  readonly ebp: number;
  readonly cpl: number;
  /** ESP0 of the current TSS: an interrupt from an outer ring left its frame right below; undefined without a TSS. */
  readonly ring0StackTop: number | undefined;
  read32(linear: number): number | undefined;
  /** As many of n bytes as can be read. */
  readCode(linear: number, n: number): Uint8Array;
  gpa(linear: number): number | undefined;
  readonly codeMap: CodeMap;
  /** Names what was delivered by the interrupt frame at this linear address, if it is known to be one. */
  deliveryAt(frame: number, eip: number): string | undefined;
}

export interface StackFrame {
  /** `code`: an instruction pointer. `gate`: the label line of an interrupt or exception between two contexts. */
  readonly kind: 'code' | 'gate';
  readonly name: string;
  /** Linear address; of a caller the return address. */
  readonly address: number;
  /** Address to look the source line up with: of a caller inside the call instruction. */
  readonly lookup: number;
  readonly ring: number;
  /** ESP when execution comes (back) to `address`. */
  readonly esp: number;
}

/** What an interrupt pushed, read back. */
interface InterruptFrame {
  readonly eip: number;
  readonly cs: number;
  /** ESP of the interrupted code once the handler has returned. */
  readonly esp: number;
  /** Whether the error code or the saved registers lie below; where the frame starts. */
  readonly at: number;
}

const MOST_FRAMES = 64;
/** Dwords above ESP that are looked through for a return address or an interrupt frame. */
const SCAN = 128;

/** The frames, innermost first; at least one. */
export function unwind(source: StackSource): StackFrame[] {
  const frames: StackFrame[] = [];
  let { eip, esp, ebp, cpl } = source;
  frames.push(codeFrame(source, eip, eip, cpl, esp));
  while (frames.length < MOST_FRAMES) {
    const interrupted = cpl < 3 ? interruptFrame(source, esp, cpl) : undefined;
    const caller = callerOf(source, eip, esp, ebp, interrupted?.at ?? Number.POSITIVE_INFINITY);
    if (caller !== undefined) {
      ({ eip, esp, ebp } = caller);
      frames.push(codeFrame(source, eip, eip - 1, cpl, esp));
    } else if (interrupted !== undefined) {
      const name = source.deliveryAt(interrupted.at, interrupted.eip) ?? `interrupted ring ${interrupted.cs & 3}`;
      ({ eip, esp } = interrupted);
      frames.push({ kind: 'gate', name, address: eip, lookup: eip, ring: cpl, esp });
      cpl = interrupted.cs & 3;
      // Handlers keep EBP on the stack in a place of their own choice, so the chain of the interrupted code is unknown.
      ebp = 0;
      frames.push(codeFrame(source, eip, eip, cpl, esp));
    } else break;
  }
  return frames;
}

function codeFrame(source: StackSource, address: number, lookup: number, ring: number, esp: number): StackFrame {
  const routine = source.codeMap.routineAt(lookup, source.gpa(lookup));
  return { kind: 'code', name: routine?.name ?? `0x${address.toString(16)}`, address, lookup, ring, esp };
}

/** The caller by the EBP chain if it holds, else by the first proven return address above ESP. */
function callerOf(
  source: StackSource,
  eip: number,
  esp: number,
  ebp: number,
  limit: number,
): { readonly eip: number; readonly esp: number; readonly ebp: number } | undefined {
  const top = Math.min(limit, esp + SCAN * 4);
  for (let at = esp; at < top; at += 4) {
    const value = source.read32(at);
    if (value === undefined) return undefined;
    if (!isReturnInto(source, value, eip)) continue;
    // A standard prologue saved the caller's EBP right below its return address.
    const saved = at === ebp + 4 ? source.read32(ebp) : undefined;
    return { eip: value, esp: at + 4, ebp: saved ?? (at > ebp ? 0 : ebp) };
  }
  return undefined;
}

/** The address follows a CALL that leads, directly, into the routine of `callee`, or indirectly anywhere. */
function isReturnInto(source: StackSource, address: number, callee: number): boolean {
  if (source.codeMap.recordAt(address - 1, source.gpa(address - 1))?.code !== true) return false;
  const record = source.codeMap.recordAt(address - 1, source.gpa(address - 1));
  if (record === undefined || record.address + record.length !== address) return false;
  const bytes = source.readCode(record.address, record.length);
  if (bytes.length === 0) return false;
  const instruction = decode(bytes, 32, BigInt(record.address));
  if (instruction.length !== record.length) return false;
  if (instruction.flowControl === FlowControl.IndirectCall) return true;
  if (instruction.flowControl !== FlowControl.Call) return false;
  const target = Number(instruction.nearBranchTarget);
  const routine = source.codeMap.routineAt(callee, source.gpa(callee));
  return routine !== undefined && routine.address === source.codeMap.routineAt(target, source.gpa(target))?.address;
}

/** The interrupt frame that the current handler will return by: from an outer ring at the stack's top, else found above ESP. */
function interruptFrame(source: StackSource, esp: number, cpl: number): InterruptFrame | undefined {
  const top = source.ring0StackTop;
  const outer =
    cpl === 0 && top !== undefined && top > esp && top - esp <= 0x1_0000 ? frameAt(source, top - 20) : undefined;
  const isOuter = outer !== undefined && (outer.cs & 3) > cpl;
  const limit = Math.min(esp + SCAN * 4, isOuter ? (top ?? 0) : Number.POSITIVE_INFINITY);
  for (let at = esp; at + 12 <= limit; at += 4) {
    const found = frameAt(source, at);
    if (found === undefined) continue;
    // A same-ring frame looks like any three dwords: it counts only when its delivery was seen.
    if ((found.cs & 3) === cpl && source.deliveryAt(at, found.eip) !== undefined) return found;
    if ((found.cs & 3) > cpl) return found;
  }
  return isOuter ? outer : undefined;
}

/** EFLAGS bits that are always 0: 3, 5, 15 and 22 to 31. Bit 1 is always 1. */
const FLAGS_CLEAR = 0xffc0_8028;

function frameAt(source: StackSource, at: number): InterruptFrame | undefined {
  const eip = source.read32(at);
  const cs = source.read32(at + 4);
  const flags = source.read32(at + 8);
  if (eip === undefined || cs === undefined || flags === undefined) return undefined;
  if (cs > 0xffff || (cs & ~7) === 0 || (flags & FLAGS_CLEAR) !== 0 || (flags & 2) === 0) return undefined;
  if (source.codeMap.recordAt(eip, source.gpa(eip))?.code !== true) return undefined;
  if ((cs & 3) === 0) return { eip, cs, esp: at + 12, at };
  const esp = source.read32(at + 12);
  const ss = source.read32(at + 16);
  if (esp === undefined || ss === undefined || ss > 0xffff || (ss & 3) !== (cs & 3)) return undefined;
  return { eip, cs, esp, at };
}
