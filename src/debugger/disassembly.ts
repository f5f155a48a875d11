/**
 * Disassembly in rows: exactly as many as asked for, known instruction starts always on a row, backwards by the line map
 * where there is one and by the longest decode that meets the address where there is none.
 */
import { type Bitness, decode, formatNasm } from '../x86/iced';
import type { CodeMap, SourceLine } from './code-map';

export interface DisassemblyRow {
  /** Linear address; undefined beyond the ends of the address space. */
  readonly address: number | undefined;
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly valid: boolean;
  readonly symbol?: string;
  readonly source?: SourceLine;
}

/** What disassembly reads. */
export interface CodeSource {
  /** As many of n bytes as can be read from the linear address on. */
  read(linear: number, n: number): Uint8Array;
  readonly bitness: Bitness;
  readonly codeMap: CodeMap;
  /** GPA of a linear address, for programs that use a linear address twice. */
  gpa(linear: number): number | undefined;
}

const LONGEST = 15;
const END = 0x1_0000_0000;
/** How far back an unknown stretch is tried for a decode that meets the address. */
const LOOK_BACK = 32;

/**
 * @param anchor an address that must be the start of a row (also: where an instruction is known to start)
 * @param offset rows before (negative) or after the anchor at which the answer starts
 * @param anchors further addresses that must start a row, such as the instruction pointer
 */
export function disassemble(
  source: CodeSource,
  anchor: number,
  offset: number,
  count: number,
  anchors: readonly number[] = [],
): DisassemblyRow[] {
  const rows: DisassemblyRow[] = [];
  const wanted = new Set([anchor, ...anchors]);
  if (offset < 0) {
    let at: number | undefined = anchor;
    const before: DisassemblyRow[] = [];
    while (before.length < -offset) {
      const found: DisassemblyRow[] = at === undefined || at <= 0 ? [] : rowsBefore(source, at, wanted);
      if (found.length === 0) before.unshift(outside());
      else before.unshift(...found);
      at = found[0]?.address;
    }
    rows.push(...before.slice(before.length + offset));
  }
  let at = anchor;
  let skip = Math.max(0, offset);
  while (rows.length < count) {
    const row = at < END ? rowAt(source, at, wanted) : outside();
    at += row.bytes.length === 0 ? 1 : row.bytes.length;
    if (skip > 0) skip--;
    else rows.push(row);
  }
  return rows.slice(0, count);
}

function outside(): DisassemblyRow {
  return { address: undefined, bytes: new Uint8Array(0), text: '', valid: false };
}

/** Distance from an address to the next one that must start a row, at most LONGEST. */
function room(source: CodeSource, at: number, wanted: ReadonlySet<number>): number {
  let free = LONGEST;
  const next = source.codeMap.nextStart(at);
  if (next !== undefined) free = Math.min(free, next - at);
  for (let n = 1; n < free; n++) if (wanted.has(at + n)) return n;
  return free;
}

function rowAt(source: CodeSource, at: number, wanted: ReadonlySet<number>): DisassemblyRow {
  const bytes = source.read(at, LONGEST);
  const gpa = source.gpa(at);
  const place = {
    address: at,
    symbol: source.codeMap.symbolAt(at, gpa),
    source: source.codeMap.lineAt(at, gpa),
  };
  if (bytes.length === 0) return { ...place, bytes, text: '(not mapped)', valid: false };
  const free = Math.min(room(source, at, wanted), bytes.length);
  const record = source.codeMap.recordAt(at, gpa);
  const instruction = decode(bytes, source.bitness, BigInt(at));
  if (record?.code === false || instruction.isInvalid || instruction.length > free) {
    // Data, or bytes that are no instruction before the next known start: shown as what they are, a byte or an item long.
    const length = record?.code === false ? Math.min(free, record.address + record.length - at, 8) : 1;
    const data = bytes.slice(0, Math.max(1, length));
    const list = [...data].map((b) => `0x${b.toString(16).padStart(2, '0')}`).join(', ');
    return { ...place, bytes: data, text: `db ${list}`, valid: record?.code === false };
  }
  const taken = bytes.slice(0, instruction.length);
  return { ...place, bytes: taken, text: formatNasm(taken, source.bitness, BigInt(at)), valid: true };
}

/** Some rows that end exactly at the address, in order; at least one, unless the address is 0. */
function rowsBefore(source: CodeSource, at: number, wanted: ReadonlySet<number>): DisassemblyRow[] {
  const gpa = source.gpa(at - 1);
  const record = source.codeMap.recordBefore(at, gpa);
  if (record !== undefined && at <= record.address + record.length) {
    const rows = rowsBetween(source, record.address, at, wanted);
    if (rows !== undefined) return rows;
  }
  const reach = Math.min(LOOK_BACK, at);
  const lowest = record === undefined ? at - reach : Math.max(at - reach, record.address + record.length);
  for (let from = lowest; from < at; from++) {
    const rows = rowsBetween(source, from, at, wanted);
    if (rows?.every((row) => row.valid)) return rows;
  }
  return [rowAt(source, at - 1, new Set([at]))];
}

/** The rows from one address to another, undefined when none ends at the latter. */
function rowsBetween(
  source: CodeSource,
  from: number,
  to: number,
  wanted: ReadonlySet<number>,
): DisassemblyRow[] | undefined {
  const rows: DisassemblyRow[] = [];
  const bounded = new Set([...wanted, to]);
  let at = from;
  while (at < to) {
    const row = rowAt(source, at, bounded);
    rows.push(row);
    at += Math.max(1, row.bytes.length);
  }
  return at === to ? rows : undefined;
}
