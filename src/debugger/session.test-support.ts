/** Sessions for tests: on real files, or on sources given in place. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEFAULT_CONFIG, type MachineConfig } from '../machine/config';
import { Session } from './session';
import type { SourceFiles } from './source-files';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const MINIKERNEL = join(ROOT, 'guests', 'minikernel', 'kernel.asm');

export const diskFiles: SourceFiles = {
  read: async (path) => {
    try {
      return await readFile(path);
    } catch {
      return undefined;
    }
  },
};

/** Files given in place, by path. */
export function textFiles(files: Readonly<Record<string, string>>): SourceFiles {
  return {
    read: async (path) => (files[path] === undefined ? undefined : new TextEncoder().encode(files[path])),
  };
}

const yieldToHost = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export async function launch(
  program: string,
  machine: Partial<MachineConfig> = {},
  files: SourceFiles = diskFiles,
): Promise<Session> {
  const made = await Session.launch({ program, machine: { ...DEFAULT_CONFIG, ...machine }, files, yieldToHost });
  if (made instanceof Session) return made;
  throw new Error(made.problems.join('\n'));
}

/** A guest written in place, assembled at 1 MiB in 32-bit mode; line 1 is its first line. */
export function inline(source: string, machine: Partial<MachineConfig> = {}): Promise<Session> {
  return launch('/guest.asm', machine, textFiles({ '/guest.asm': source }));
}
