/** Assembles with a reader: fetches the files that the assembler asks for, one round after another. */
import { assemble } from './assemble';
import type { AssembleResult } from './image';

/** Reads a file by key; undefined when it does not exist. */
export type FileReader = (key: string) => Promise<string | Uint8Array | undefined>;

export interface GatheredResult {
  readonly result: AssembleResult;
  /** Every file that was read, by key. */
  readonly files: ReadonlyMap<string, string | Uint8Array>;
}

/** Assembles `main`, reading what it includes; files that do not exist become diagnostics. */
export async function gather(main: string, read: FileReader): Promise<GatheredResult> {
  const files = new Map<string, string | Uint8Array>();
  const missing = new Set<string>();
  for (;;) {
    const result = assemble({ main, files, missing });
    if (!result.needs) return { result, files };
    for (const key of result.needs) {
      const content = await read(key);
      if (content === undefined) missing.add(key);
      else files.set(key, content);
    }
  }
}
