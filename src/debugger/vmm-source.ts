/** The hypervisor as a text to step through: its source files and the lines of the handlers' named steps. */
import type { HandlerStep } from '../machine/hypervisor-port';

/** One file, as the build embeds it: path relative to the project, steps by their literal names, lines from 1. */
export interface VmmFile {
  readonly path: string;
  readonly text: string;
  readonly steps: readonly { readonly name: string; readonly line: number }[];
}

export interface VmmPlace {
  readonly file: VmmFile;
  /** Number that stands for the file in `source` requests, from 1. */
  readonly reference: number;
  readonly line: number;
}

export class VmmSource {
  private readonly places: ReadonlyMap<string, VmmPlace>;

  private constructor(private readonly files: readonly VmmFile[]) {
    const places = files.flatMap((file, i) =>
      file.steps.map(({ name, line }) => [name, { file, reference: i + 1, line }] as const),
    );
    this.places = new Map(places);
  }

  /** Reads what the build wrote; without it (or with something else) there is no text, and steps have names only. */
  static parse(json: string | undefined): VmmSource {
    if (json === undefined) return new VmmSource([]);
    const { files } = JSON.parse(json) as { readonly files?: readonly VmmFile[] }; // written by scripts/vmm-source.mjs
    return new VmmSource(files ?? []);
  }

  /** The file of a `source` request. */
  file(reference: number): VmmFile | undefined {
    return this.files[reference - 1];
  }

  /** Where a step stands; the build sees to it that a name leads to one line. */
  placeOf(step: HandlerStep): VmmPlace | undefined {
    return this.places.get(step.step);
  }
}
