/** Where a pass puts its bytes: the current section or an ABSOLUTE region, with an entry for each statement that made some. */
import type { Bitness } from '../x86/iced';
import { rangeOf, SourceError, type SourceRange } from './diagnostics';
import type { LineEntry } from './image';
import type { ExpandedLine } from './preprocessor';
import { largestOutput, Section } from './sections';
import type { Token } from './tokens';
import { addressIn, scalar, type Value } from './values';

export class SectionWriter {
  readonly sections = new Map<string, Section>();
  section: Section;
  /** Where labels count while ABSOLUTE or STRUC is in force. */
  absolute: { offset: bigint } | undefined;
  /** Start of the ABSOLUTE region, `$$` in it. */
  absoluteStart = 0n;
  bits: Bitness = 16;
  /** The line in work. */
  protected line: ExpandedLine | undefined;
  protected readonly entries: LineEntry[] = [];
  readonly #addresses: ReadonlyMap<string, number>;
  #size = 0;

  /**
   * @param addresses of the sections, as the pass before laid them out
   * @param start where the main file starts, which is in .text
   */
  constructor(addresses: ReadonlyMap<string, number>, start: SourceRange) {
    this.#addresses = addresses;
    this.section = this.enterSection('.text', start);
  }

  /** Makes the section current; its address is where the pass before laid it out. */
  enterSection(name: string, place: SourceRange): Section {
    const known = this.sections.get(name);
    if (known) {
      this.section = known;
      return known;
    }
    const section = new Section(name, this.sections.size, place);
    section.address = this.#addresses.get(name) ?? 0;
    this.sections.set(name, section);
    this.section = section;
    return section;
  }

  /** The address that the next byte gets. */
  position(): Value {
    if (this.absolute) return scalar(this.absolute.offset);
    return addressIn(this.section.number, BigInt(this.section.address + this.section.length));
  }

  /** Adds bytes at the current position and notes the statement that made them. */
  emit(bytes: Uint8Array, count: number, kind: LineEntry['kind'], operation: Token): void {
    const total = bytes.length * count;
    if (total === 0) return;
    if (this.absolute)
      throw new SourceError(
        `"${operation.text}" makes bytes, but in a structure or after "absolute" space can only be reserved; use resb and its siblings.`,
        rangeOf(operation),
      );
    if (this.section.kind === 'nobits')
      throw new SourceError(
        `The section "${this.section.name}" holds no bytes, only reserved space; use resb, or another section such as .data.`,
        rangeOf(operation),
      );
    this.#charge(total, operation);
    this.#note(total, kind, operation);
    this.section.repeat(bytes, count);
  }

  /** Reserves space at the current position. */
  reserve(count: number, operation: Token): void {
    if (this.absolute) {
      this.absolute.offset += BigInt(count);
      return;
    }
    if (count === 0) return;
    if (this.section.kind === 'progbits') this.#charge(count, operation);
    this.#note(count, 'reserved', operation);
    this.section.reserve(count);
  }

  #charge(bytes: number, operation: Token): void {
    this.#size += bytes;
    if (this.#size > largestOutput)
      throw new SourceError(
        'The program grows beyond 64 MiB here, which is refused; look for a count that is too large.',
        rangeOf(operation),
      );
  }

  #note(length: number, kind: LineEntry['kind'], operation: Token): void {
    const site = this.line?.site ?? rangeOf(operation);
    const macro = this.line?.macro;
    this.entries.push({
      address: this.section.address + this.section.length,
      length,
      kind,
      bits: this.bits,
      file: site.file,
      line: site.line,
      column: macro || operation.line !== site.line ? site.column : operation.column,
      ...(macro ? { macro } : {}),
    });
  }
}
