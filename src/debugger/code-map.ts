/**
 * Lines and labels of a program against addresses: what breakpoints, stacks and views look places up in.
 *
 * Sections may be assembled for the same linear addresses (two processes, each at its own 0x400000): a lookup then says by
 * GPA which one is meant.
 */

/** The bytes that one source line produced at one place. */
export interface LineRecord {
  /** Address that the program was assembled for (linear, once segments are flat). */
  readonly address: number;
  readonly length: number;
  /** Path as the file was opened. */
  readonly path: string;
  /** 1-based. */
  readonly line: number;
  /** The line holds instructions and not data. */
  readonly code: boolean;
}

export interface LabelRecord {
  /** Full name: a local label is written `parent.local`. */
  readonly name: string;
  readonly address: number;
}

export interface SourceLine {
  readonly path: string;
  readonly line: number;
}

/** A stretch of the program that lies together, assembled for `address` and loaded at `gpa`. */
export interface SectionRecord {
  readonly name: string;
  readonly address: number;
  readonly length: number;
  readonly gpa: number;
  readonly lines: readonly LineRecord[];
  readonly labels: readonly LabelRecord[];
}

export class CodeMap {
  private readonly sections: readonly Section[];
  private readonly byName: ReadonlyMap<string, { readonly address: number; readonly section: SectionRecord }>;
  private readonly byPath = new Map<string, { record: LineRecord; section: SectionRecord }[]>();

  constructor(sections: readonly SectionRecord[]) {
    this.sections = sections.map((s) => new Section(s));
    this.byName = new Map(sections.flatMap((s) => s.labels.map((l) => [l.name, { address: l.address, section: s }])));
    for (const section of sections) {
      for (const record of section.lines) {
        const of = this.byPath.get(pathKey(record.path));
        if (of === undefined) this.byPath.set(pathKey(record.path), [{ record, section }]);
        else of.push({ record, section });
      }
    }
    for (const of of this.byPath.values()) {
      of.sort((a, b) => a.record.line - b.record.line || a.record.address - b.record.address);
    }
  }

  get labelNames(): readonly string[] {
    return [...this.byName.keys()];
  }

  get paths(): readonly string[] {
    return [...this.byPath.values()].map((records) => records[0]?.record.path ?? '');
  }

  knowsPath(path: string): boolean {
    return this.byPath.has(pathKey(path));
  }

  /** Whether the program has more than one thing at this linear address, so that only the GPA decides. */
  isAmbiguous(address: number): boolean {
    return this.sections.filter((s) => s.holds(address)).length > 1;
  }

  private sectionAt(address: number, gpa: number | undefined): Section | undefined {
    const holding = this.sections.filter((s) => s.holds(address));
    if (holding.length < 2) return holding[0];
    return holding.find((s) => s.gpaOf(address) === gpa) ?? holding[0];
  }

  /** Where the loader put the byte that was assembled for this address, undefined outside the program. */
  loadAddress(address: number, gpa?: number): number | undefined {
    return this.sectionAt(address, gpa)?.gpaOf(address);
  }

  /** The record whose bytes hold the address. */
  recordAt(address: number, gpa?: number): LineRecord | undefined {
    return this.sectionAt(address, gpa)?.recordAt(address);
  }

  lineAt(address: number, gpa?: number): SourceLine | undefined {
    const record = this.recordAt(address, gpa);
    return record === undefined ? undefined : { path: record.path, line: record.line };
  }

  /** The last record that starts before the address; disassembly goes backwards by it. */
  recordBefore(address: number, gpa?: number): LineRecord | undefined {
    return this.sectionAt(address - 1, gpa === undefined ? undefined : gpa - 1)?.recordFrom(address - 1);
  }

  /** Address of the first record that starts after the address. */
  nextStart(address: number): number | undefined {
    let next: number | undefined;
    for (const section of this.sections) {
      const start = section.nextStart(address);
      if (start !== undefined && (next === undefined || start < next)) next = start;
    }
    return next;
  }

  /** The places where a line's instructions start, with the GPA of each: one, or several for a repeated include. */
  startsOfLine(path: string, line: number): readonly { readonly address: number; readonly gpa: number }[] {
    const here = (this.byPath.get(pathKey(path)) ?? []).filter((e) => e.record.line === line && e.record.code);
    // Records that follow each other without a gap are one place: a macro line with several instructions.
    return here
      .filter((e, i) => {
        const previous = here[i - 1];
        if (previous === undefined || previous.section !== e.section) return true;
        return previous.record.address + previous.record.length !== e.record.address;
      })
      .map((e) => ({
        address: e.record.address,
        gpa: e.section.gpa + e.record.address - e.section.address,
      }));
  }

  /** The first line at or after `line` in the file that holds instructions. */
  nextCodeLine(path: string, line: number): number | undefined {
    return (this.byPath.get(pathKey(path)) ?? []).find((e) => e.record.line >= line && e.record.code)?.record.line;
  }

  /** Lines of a range that hold instructions, in order, once each. */
  codeLines(path: string, from: number, to: number): readonly number[] {
    const here = this.byPath.get(pathKey(path)) ?? [];
    const lines = here.map((e) => e.record).filter((r) => r.code && r.line >= from && r.line <= to);
    return [...new Set(lines.map((r) => r.line))];
  }

  addressOf(label: string): number | undefined {
    return this.byName.get(label)?.address;
  }

  /** Linear address and GPA of a label. */
  placeOf(label: string): { readonly address: number; readonly gpa: number } | undefined {
    const found = this.byName.get(label);
    if (found === undefined) return undefined;
    return { address: found.address, gpa: found.section.gpa + found.address - found.section.address };
  }

  /** The global label at or before an address: the routine that the address lies in. */
  routineAt(address: number, gpa?: number): LabelRecord | undefined {
    return this.sectionAt(address, gpa)?.labelBefore(address, (l) => !isLocal(l.name));
  }

  /** `label`, `label+0x4`, or undefined outside the program. */
  symbolAt(address: number, gpa?: number): string | undefined {
    const label = this.sectionAt(address, gpa)?.labelBefore(address, () => true);
    if (label === undefined) return undefined;
    return label.address === address ? label.name : `${label.name}+0x${(address - label.address).toString(16)}`;
  }
}

class Section {
  private readonly lines: readonly LineRecord[];
  private readonly labels: readonly LabelRecord[];

  constructor(private readonly record: SectionRecord) {
    this.lines = [...record.lines].sort((a, b) => a.address - b.address);
    // Of several labels at one address a global one names it.
    this.labels = [...record.labels].sort(
      (a, b) => a.address - b.address || Number(isLocal(b.name)) - Number(isLocal(a.name)),
    );
  }

  holds(address: number): boolean {
    return address >= this.record.address && address < this.record.address + this.record.length;
  }

  gpaOf(address: number): number {
    return this.record.gpa + address - this.record.address;
  }

  /** The last record that starts at or before the address. */
  recordFrom(address: number): LineRecord | undefined {
    return this.lines[lastAtOrBefore(this.lines, address)];
  }

  recordAt(address: number): LineRecord | undefined {
    const record = this.recordFrom(address);
    return record !== undefined && address < record.address + record.length ? record : undefined;
  }

  nextStart(address: number): number | undefined {
    return this.lines[lastAtOrBefore(this.lines, address) + 1]?.address;
  }

  labelBefore(address: number, passes: (label: LabelRecord) => boolean): LabelRecord | undefined {
    for (let i = lastAtOrBefore(this.labels, address); i >= 0; i--) {
      const label = this.labels[i];
      if (label !== undefined && passes(label)) return label;
    }
    return undefined;
  }
}

/** NASM's local labels carry a period after their parent's name. */
export function isLocal(label: string): boolean {
  return label.includes('.');
}

/** Index of the last element whose address is at or before the given one, -1 when there is none. */
function lastAtOrBefore(sorted: readonly { readonly address: number }[], address: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.address ?? 0) <= address) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** One spelling for the paths that clients use for the same file: see {@link slashed}; URIs without escapes. */
function pathKey(path: string): string {
  const key = slashed(path);
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(key)) return key;
  try {
    return decodeURIComponent(key);
  } catch {
    // A stray percent sign: the text as it is.
    return key;
  }
}

/** A path with forward slashes and a lower-case drive letter, as the assembler's keys are. */
export function slashed(path: string): string {
  const slashes = path.replaceAll('\\', '/');
  return /^[A-Z]:/.test(slashes) ? slashes.charAt(0).toLowerCase() + slashes.slice(1) : slashes;
}
