/** What the language server knows about the program that a document belongs to: the assembler's result over all its files. */
import { type AssembleResult, type FileReader, gather, resolveKey } from '../assembler';

export interface Analysis {
  /** URI of the file that was assembled. */
  readonly main: string;
  readonly result: AssembleResult;
  /** Every source and binary that took part, by URI. */
  readonly files: ReadonlyMap<string, string | Uint8Array>;
}

/** Names under which the main file of a folder is looked for when a file is opened that others include. */
const likelyMains: readonly string[] = ['kernel.asm', 'main.asm', 'boot.asm', 'start.asm'];

export class Analyses {
  readonly #read: FileReader;
  readonly #byMain = new Map<string, Analysis>();

  /** @param read reads a file by URI; open documents should win over the disk */
  constructor(read: FileReader) {
    this.#read = read;
  }

  /** Assembles `main` anew. */
  async refresh(main: string): Promise<Analysis> {
    const { result, files } = await gather(main, this.#read);
    const analysis: Analysis = { main, result, files };
    this.#byMain.set(main, analysis);
    return analysis;
  }

  /** Forgets the program; its files may still be part of others. */
  drop(main: string): void {
    this.#byMain.delete(main);
  }

  /** Main files of all known programs that the file takes part in. */
  mainsOf(uri: string): string[] {
    return [...this.#byMain.values()]
      .filter(({ main, files }) => main !== uri && files.has(uri))
      .map(({ main }) => main);
  }

  /** The program that speaks for the file: one that includes it before one that it is alone. */
  of(uri: string): Analysis | undefined {
    const including = this.mainsOf(uri)[0];
    return this.#byMain.get(including ?? uri) ?? this.#byMain.get(uri);
  }

  get all(): readonly Analysis[] {
    return [...this.#byMain.values()];
  }

  /** Looks for a program beside the file that includes it, and makes it known. */
  async findMain(uri: string): Promise<string | undefined> {
    for (const name of likelyMains) {
      const candidate = resolveKey(name, uri);
      if (candidate === uri) return undefined;
      if (this.#byMain.has(candidate) || (await this.#read(candidate)) === undefined) continue;
      const { files } = await this.refresh(candidate);
      if (files.has(uri)) return candidate;
      this.drop(candidate);
    }
    return undefined;
  }
}
