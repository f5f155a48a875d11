/** The assembler against nasm: byte-identical output for our corpus, for every operand form, for all guests and labs. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { assemble, type AssembleResult, listing } from '../../../src/assembler';
import { formCorpus } from './form-corpus';
import { nasmVersion, runNasm } from './nasm-oracle';

const root = join(import.meta.dirname, '../../..');

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Content by path relative to `folder`: sources as text, others as bytes. */
function read(folder: string): Map<string, string | Uint8Array> {
  const files = new Map<string, string | Uint8Array>();
  for (const path of filesBelow(folder)) {
    const isSource = /\.(asm|inc|nasm)$/.test(path);
    files.set(relative(folder, path), isSource ? readFileSync(path, 'utf8') : new Uint8Array(readFileSync(path)));
  }
  return files;
}

/** Sources that no other one includes. */
function mainFiles(files: ReadonlyMap<string, string | Uint8Array>): string[] {
  const included = new Set<string>();
  for (const content of files.values()) {
    if (typeof content !== 'string') continue;
    for (const match of content.matchAll(/^\s*%include\s+["']([^"']+)["']/gm))
      included.add(match[1]?.split('/').pop() ?? '');
  }
  return [...files.keys()].filter((name) => name.endsWith('.asm') && !included.has(name.split('/').pop() ?? ''));
}

/** Where two outputs first differ, for a message that helps. */
function firstDifference(ours: Uint8Array, theirs: Uint8Array): string {
  const at = ours.findIndex((byte, index) => byte !== theirs[index]);
  const start = at < 0 ? Math.min(ours.length, theirs.length) : at;
  const hex = (bytes: Uint8Array) => Buffer.from(bytes.subarray(Math.max(0, start - 4), start + 12)).toString('hex');
  return `offset 0x${start.toString(16)}: ours ${hex(ours)} nasm ${hex(theirs)}; lengths ${ours.length} and ${theirs.length}`;
}

/** Assembles with every file at hand: what is asked for beyond them does not exist. */
function assembleAll(main: string, files: ReadonlyMap<string, string | Uint8Array>): AssembleResult {
  const missing = new Set<string>();
  for (;;) {
    const result = assemble({ main, files, missing });
    if (!result.needs) return result;
    for (const key of result.needs) missing.add(key);
  }
}

function compare(main: string, files: ReadonlyMap<string, string | Uint8Array>): void {
  const { image, diagnostics } = assembleAll(main, files);
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  const theirs = runNasm(main, files);
  if (!image || !theirs.bytes) throw new Error(`nasm refused ${main}: ${theirs.messages}`);
  if (Buffer.compare(image.bytes, theirs.bytes) === 0) return;
  const at = image.bytes.findIndex((byte, index) => byte !== theirs.bytes?.[index]);
  const lines = listing(image, files).split('\n');
  const near = lines.findLast((line) => Number.parseInt(line.slice(6, 14), 16) - image.origin <= at);
  throw new Error(`${main} differs from nasm at ${firstDifference(image.bytes, theirs.bytes)}\nnear ${near}`);
}

const oracle = nasmVersion === undefined ? ' (skipped: nasm is not installed)' : '';
describe.skipIf(nasmVersion === undefined)(`output equal to nasm${oracle}`, () => {
  const corpus = read(join(import.meta.dirname, 'corpus'));
  it.each(mainFiles(corpus))('corpus/%s', (main) => compare(main, corpus));

  for (const folder of ['guests', 'labs']) {
    const files = read(join(root, folder));
    it.each(mainFiles(files))(`${folder}/%s`, (main) => compare(main, files));
  }

  it.each([16, 32, 64] as const)('every legacy encoding that nasm accepts, %i-bit', (bits) => {
    const lines = formCorpus(bits).filter((line) => !isExcepted(line));
    const source = (chosen: readonly string[]) => `bits ${bits}\norg 0x1000\n${chosen.join('\n')}\n`;
    const accepted = acceptedByNasm(lines, source);
    expect(accepted.length).toBeGreaterThan(8000);
    compare('forms.asm', new Map([['forms.asm', source(accepted)]]));
  });
});

/** Lines that are left out of the form corpus, each with its reason. */
const exceptions: readonly (readonly [RegExp, string])[] = [
  [
    /^(sha256rnds2|pblendvb|blendvps|blendvpd|invlpga)\b/,
    'the implicit register is written out, which our operand table does not read',
  ],
  [/^cmpn?lt[sp][sd]\b|^pclmul[hl]q[hl]qdq\b/, 'a pseudo-mnemonic with the predicate in its name'],
  [
    /^(ptwrite|rdsspd|incsspd|wrssd|wrussd|invpcid|pextrb|retw 0x|retw \d|o64 )/,
    'nasm 2.16 writes or leaves out a prefix against the manual',
  ],
  [/^f\w+ to st0$/, 'two equal encodings'],
  [/\b(montmul|xsha1|xsha256|xcrypt\w+|xstore)\b/, 'VIA PadLock: nasm moves the mandatory REP'],
  [
    /^(vmgexit|tlbsync|tdcall|rdpru|mcommit|invlpgb|fnsetpm|psmash|pbndkb|seamret|seamops|seamcall|rmpupdate|rmpquery|eretu|erets|pvalidate|rmpadjust)$/,
    'unknown to nasm 2.16, which takes the word for a label',
  ],
];

function isExcepted(line: string): boolean {
  return exceptions.some(([pattern]) => pattern.test(line));
}

function acceptedByNasm(lines: readonly string[], source: (lines: readonly string[]) => string): readonly string[] {
  let accepted = lines;
  for (let round = 0; round < 6; round++) {
    const run = runNasm('forms.asm', new Map([['forms.asm', source(accepted)]]));
    if (run.bytes) return accepted;
    // Two lines stand before the first instruction.
    accepted = accepted.filter((_, index) => !run.errorLines.has(index + 3));
  }
  throw new Error('nasm still refuses lines of the form corpus after six rounds.');
}
