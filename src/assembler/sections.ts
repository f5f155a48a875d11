/** Sections of a flat binary and their places, as `nasm -f bin` lays them out ("bin: Flat-Form Binary Output" in its manual). */
import { SourceError, type SourceRange } from './diagnostics';

/** Output and reserved bytes of one assembly together. */
export const largestOutput = 64 * 1024 * 1024;

export class Section {
  readonly name: string;
  /** Position in the order of first mention; the key of the section in values. */
  readonly number: number;
  kind: 'progbits' | 'nobits';
  /** Given by attribute or raised by ALIGN; undefined means the default of the layout. */
  align: number | undefined;
  start: number | undefined;
  vstart: number | undefined;
  follows: string | undefined;
  vfollows: string | undefined;
  /** Bytes emitted or reserved so far in this pass. */
  length = 0;
  /** Address of the first byte as the previous pass laid it out. */
  address = 0;
  readonly place: SourceRange;
  #bytes = new Uint8Array(256);

  constructor(name: string, number: number, place: SourceRange) {
    this.name = name;
    this.number = number;
    this.place = place;
    this.kind = name === '.bss' ? 'nobits' : 'progbits';
    this.align = name === '.text' ? undefined : 4;
  }

  append(bytes: Uint8Array): void {
    this.#grow(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Appends `count` copies. */
  repeat(bytes: Uint8Array, count: number): void {
    this.#grow(bytes.length * count);
    if (bytes.length === 1) this.#bytes.fill(bytes[0] ?? 0, this.length, this.length + count);
    else for (let copy = 0; copy < count; copy++) this.#bytes.set(bytes, this.length + copy * bytes.length);
    this.length += bytes.length * count;
  }

  reserve(count: number): void {
    if (this.kind === 'progbits') this.repeat(Uint8Array.of(0), count);
    else this.length += count;
  }

  /** The content; empty for `nobits`. */
  content(): Uint8Array {
    return this.#bytes.subarray(0, this.kind === 'progbits' ? this.length : 0);
  }

  #grow(more: number): void {
    if (this.length + more <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.length + more, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = larger;
  }
}

export interface PlacedSection {
  readonly section: Section;
  /** Address as loaded. */
  readonly start: number;
  /** Address as labels count. */
  readonly address: number;
}

function alignUp(value: number, align: number | undefined): number {
  return align === undefined || align <= 1 ? value : Math.ceil(value / align) * align;
}

function ordered(sections: readonly Section[]): Section[] {
  const text = sections.filter((section) => section.name === '.text');
  const order = [...text, ...sections.filter((section) => section.name !== '.text' && section.follows === undefined)];
  for (const section of sections.filter((one) => one.follows !== undefined)) {
    const leader = order.findIndex((one) => one.name === section.follows);
    if (leader < 0)
      throw new SourceError(
        `The section "${section.name}" follows "${section.follows}", which does not exist.`,
        section.place,
      );
    order.splice(leader + 1, 0, section);
  }
  return order;
}

/** Places the sections: progbits one after another from the origin, then each nobits section behind the last of them. */
export function layOut(sections: readonly Section[], origin: number): readonly PlacedSection[] {
  const placed: PlacedSection[] = [];
  const used = sections.filter((section) => section.length > 0 || section.name === '.text');
  let end = origin;
  for (const section of ordered(used.filter(({ kind }) => kind === 'progbits'))) {
    const start = section.start ?? alignUp(end, section.align);
    if (start < end && section.length > 0 && section.start !== undefined) {
      throw new SourceError(
        `The section "${section.name}" starts at 0x${start.toString(16)}, where another one still goes on to 0x${end.toString(16)}; give it a higher start.`,
        section.place,
      );
    }
    placed.push({ section, start, address: virtualStart(section, start, placed) });
    end = start + section.length;
  }
  for (const section of ordered(used.filter(({ kind }) => kind === 'nobits'))) {
    const leader = placed.find((one) => one.section.name === section.follows);
    const from = leader ? leader.start + leader.section.length : end;
    const start = section.start ?? alignUp(from, section.align);
    placed.push({ section, start, address: virtualStart(section, start, placed) });
  }
  return placed;
}

function virtualStart(section: Section, start: number, placed: readonly PlacedSection[]): number {
  if (section.vstart !== undefined) return section.vstart;
  const leader =
    section.vfollows === undefined ? undefined : placed.find((one) => one.section.name === section.vfollows);
  return leader ? alignUp(leader.address + leader.section.length, section.align) : start;
}

/** The bytes of the file: progbits sections from the origin on, gaps filled with zero. */
export function flatten(placed: readonly PlacedSection[], origin: number): Uint8Array {
  const filled = placed.filter(({ section }) => section.kind === 'progbits' && section.length > 0);
  const end = Math.max(origin, ...filled.map(({ start, section }) => start + section.length));
  if (end - origin > largestOutput) {
    const last = filled[filled.length - 1];
    throw new SourceError(
      `The image would be ${end - origin} bytes long; more than 64 MiB is refused.`,
      last?.section.place ?? { file: '', line: 1, column: 0, endColumn: 0 },
    );
  }
  const image = new Uint8Array(end - origin);
  for (const { section, start } of filled) image.set(section.content(), start - origin);
  return image;
}
