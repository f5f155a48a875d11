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

/** Lines in which a step's values are looked for, when several steps have one name. */
const LINES_OF_A_STEP = 6;

export class VmmSource {
  private constructor(private readonly files: readonly VmmFile[]) {}

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

  /** Where a step stands; of several with its name the one whose text holds the names of its values. */
  placeOf(step: HandlerStep): VmmPlace | undefined {
    let best: VmmPlace | undefined;
    let most = -1;
    const values = Object.keys(step.values);
    this.files.forEach((file, i) => {
      for (const { name, line } of file.steps) {
        if (name !== step.step) continue;
        const text = file.text
          .split('\n')
          .slice(line - 1, line - 1 + LINES_OF_A_STEP)
          .join('\n');
        const score = values.filter((value) => new RegExp(`\\b${value}\\b`).test(text)).length;
        if (score > most) {
          most = score;
          best = { file, reference: i + 1, line };
        }
      }
    });
    return best;
  }
}
