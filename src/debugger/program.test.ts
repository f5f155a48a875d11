import { describe, expect, it } from 'vitest';
import { loadProgram } from './program';

const MEMORY = 2 << 20;

/** Loads `/guest/main` out of a map of files. */
async function load(content: string | Uint8Array, others: Readonly<Record<string, string>> = {}) {
  const files = new Map([
    ['/guest/main', typeof content === 'string' ? new TextEncoder().encode(content) : content],
    ...Object.entries(others).map(([name, text]) => [name, new TextEncoder().encode(text)] as const),
  ]);
  return loadProgram('/guest/main', { read: async (path) => files.get(path) }, MEMORY);
}

const HEAD = 'bits 32\norg 0x100000\n';

describe('loading a program', () => {
  it.each<[string, string | Uint8Array, RegExp]>([
    ['an empty file', '', /^\/guest\/main is empty: write an instruction/],
    ['a source without a byte', `${HEAD}; nothing\nsection .bss\n`, /^\/guest\/main is empty/],
    ['16-bit code', 'mov ax, 1\n', /starts in 16-bit code.*write "bits 32"/],
    ['64-bit code', 'bits 64\nmov rax, 1\n', /starts in 64-bit code/],
    ['an image that is larger than memory', new Uint8Array(2 << 20), /reaches from .* raise "memoryMiB"/],
    ['an include that is not there', `${HEAD}%include "x.inc"\n`, /^\/guest\/main:3:10: .*"x.inc" does not exist/],
    ['a file that includes itself', `${HEAD}%include "/guest/main"\n`, /include one another without end/],
  ])('refuses %s in one sentence', async (_what, content, message) => {
    const program = await load(content);
    expect('problems' in program ? program.problems.at(-1) : undefined).toMatch(message);
  });

  it('takes bytes that are written as data for code of the width in force', async () => {
    const program = await load(`${HEAD}db 0x90, 0xf4\n`);
    expect('problems' in program ? program.problems : program.image.entry).toBe(0x100000);
  });

  it('takes a file with a zero byte for an image', async () => {
    const program = await load(Uint8Array.of(0xb8, 0, 0, 0, 0));
    expect('problems' in program ? program.problems : program.image.entry).toBe(0x100000);
  });
});
