/** The program of a session: a source assembled (or an image taken as it is), loaded, with its map of lines and labels. */
import { type AssembledImage, type Diagnostic, gather } from '../assembler/index';
import { ImageError, type LoadedImage, loadImage } from '../images/loader';
import { CodeMap, type LabelRecord, type LineRecord, slashed, type SectionRecord } from './code-map';
import type { SourceFiles } from './source-files';

export interface Program {
  readonly path: string;
  readonly image: LoadedImage;
  readonly codeMap: CodeMap;
  /** What the assembler had to say without refusing. */
  readonly warnings: readonly string[];
}

/** Why there is no program: sentences for a person, the most important first. */
export interface ProgramProblem {
  readonly problems: readonly string[];
}

/**
 * @param path absolute path or URI of an assembly source or a flat image
 * @param memoryBytes guest memory that the image must fit in
 */
export async function loadProgram(
  path: string,
  files: SourceFiles,
  memoryBytes: number,
): Promise<Program | ProgramProblem> {
  const bytes = await files.read(path);
  if (bytes === undefined) {
    return {
      problems: [`The program "${path}" cannot be read; correct its path ("program" in a launch configuration).`],
    };
  }
  try {
    if (isBinary(bytes)) {
      const image = loadImage(bytes, { memoryBytes, name: path });
      return { path, image, codeMap: new CodeMap([]), warnings: [] };
    }
    return await assembleProgram(path, files, memoryBytes);
  } catch (error) {
    if (error instanceof ImageError) return { problems: [error.message] };
    throw error;
  }
}

/** Sources are text; a zero byte early on tells an image. */
function isBinary(bytes: Uint8Array): boolean {
  return bytes.subarray(0, 4096).includes(0);
}

/** What assembling gave: an image, or problems. */
export type Assembled =
  | {
      readonly image: AssembledImage;
      readonly warnings: readonly string[];
      /** Every source by the assembler's key. */
      readonly sources: ReadonlyMap<string, string | Uint8Array>;
      /** The path, as the file was opened, of an assembler's key. */
      readonly pathOf: (key: string) => string;
    }
  | ProgramProblem;

/** Assembles a source, fetching what it includes. */
export async function assembleSource(path: string, files: SourceFiles): Promise<Assembled> {
  // The assembler's keys have forward slashes only; the main file goes back to the client as it was named.
  const main = slashed(path);
  const pathOf = (key: string): string => (key === main ? path : key);
  const { result, files: sources } = await gather(main, async (key) => {
    const content = await files.read(pathOf(key));
    return content === undefined || isBinary(content) ? content : new TextDecoder().decode(content);
  });
  const say = (severity: string): string[] =>
    result.diagnostics.filter((d) => d.severity === severity).map((d) => diagnosticText(d, pathOf));
  const errors = say('error');
  if (result.image === undefined || errors.length > 0) {
    return { problems: errors.length > 0 ? errors : [`${path} could not be assembled.`] };
  }
  return { image: result.image, warnings: say('warning'), sources, pathOf };
}

async function assembleProgram(
  path: string,
  files: SourceFiles,
  memoryBytes: number,
): Promise<Program | ProgramProblem> {
  const assembled = await assembleSource(path, files);
  if ('problems' in assembled) return assembled;
  const { image, warnings, pathOf } = assembled;
  if (image.bytes.length === 0) return { problems: [`${path} is empty: write an instruction to start at.`] };
  if (image.bits !== 32) {
    return {
      problems: [
        `${path} starts in ${image.bits}-bit code, and this version runs 32-bit guests: write "bits 32" before the first instruction.`,
      ],
    };
  }
  const loaded = loadImage(image.bytes, { base: image.origin, memoryBytes, name: path });
  // Without a multiboot header the assembler's entry counts, with one the header's.
  const entry = loaded.multiboot ? loaded.entry : image.entry;
  return {
    path,
    image: { ...loaded, entry },
    codeMap: new CodeMap(sectionsOf(image, loaded, pathOf)),
    warnings,
  };
}

/** `file:line:column: sentence`, columns as editors count them. */
function diagnosticText(d: Diagnostic, pathOf: (key: string) => string): string {
  return `${pathOf(d.file)}:${d.line}:${d.column + 1}: ${d.message}`;
}

function sectionsOf(image: AssembledImage, loaded: LoadedImage, pathOf: (key: string) => string): SectionRecord[] {
  const segment = loaded.segments[0];
  const base = segment === undefined ? image.origin : segment.gpa - segment.fileOffset;
  const labels = image.symbols.filter((s) => s.kind === 'label');
  return image.sections.map((section): SectionRecord => {
    const end = section.address + section.length;
    const inside = (address: number): boolean => address >= section.address && address < end;
    return {
      name: section.name,
      address: section.address,
      length: section.length,
      gpa: section.offset === undefined ? section.address : base + section.offset,
      lines: image.lines
        .filter((line) => inside(line.address))
        .map(
          (line): LineRecord => ({
            address: line.address,
            length: line.length,
            path: pathOf(line.file),
            line: line.line,
            code: line.kind === 'code',
          }),
        ),
      labels: labels.filter((s) => inside(s.value)).map((s): LabelRecord => ({ name: s.name, address: s.value })),
    };
  });
}
