/** Runs Debian's nasm as the oracle of the assembler's tests, where it is installed. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

function version(): string | undefined {
  try {
    return execFileSync('nasm', ['-v'], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}

/** The version of nasm, or undefined when it is not installed. */
export const nasmVersion = version();

if (nasmVersion === undefined)
  console.log('SKIPPED: the comparisons with nasm, because no program of that name is on the path.');

export interface NasmRun {
  /** Undefined when nasm refused the source. */
  readonly bytes: Uint8Array | undefined;
  readonly messages: string;
  /** Lines of the main file with errors, 1-based. */
  readonly errorLines: ReadonlySet<number>;
}

/** Assembles with nasm to a flat binary; `files` are written into a fresh folder. */
export function runNasm(main: string, files: ReadonlyMap<string, string | Uint8Array>): NasmRun {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-nasm-'));
  try {
    for (const [name, content] of files) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    const run = spawnSync('nasm', ['-f', 'bin', '-I', `${dirname(main)}/`, '-o', 'out.bin', main], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 60_000,
      maxBuffer: 1 << 28,
    });
    const messages = run.stderr;
    const errorLines = new Set<number>();
    for (const match of messages.matchAll(/^[^\n:]+:(\d+): error/gm)) errorLines.add(Number(match[1]));
    const bytes = run.status === 0 ? new Uint8Array(readFileSync(join(folder, 'out.bin'))) : undefined;
    return { bytes, messages, errorLines };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
