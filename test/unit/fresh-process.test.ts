import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { afterAll, describe, expect, it } from 'vitest';
import { encodeSave } from '../../src/machine/save';
import { minikernel, sequence, SETTINGS, start } from '../../src/vmm/guest.test-support';

const CACHE = join(import.meta.dirname, '../../node_modules/.cache/ringside');
mkdirSync(CACHE, { recursive: true });
const folder = mkdtempSync(join(CACHE, 'fresh-process-'));
const bundle = join(folder, 'entry.cjs');
buildSync({
  entryPoints: [join(import.meta.dirname, 'fresh-process-entry.ts')],
  outfile: bundle,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  // In plain Node the package loads its own WebAssembly.
  external: ['iced-x86'],
  logLevel: 'error',
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const program = minikernel();
const random = sequence(11);

describe('a save loaded in a fresh process', () => {
  it.each(SETTINGS)('goes on as the run that made it: $cpu with $mmu', (setting) => {
    const from = random(600_000);
    const to = from + random(200_000);
    const { machine, facts } = start({ ...setting, memoryMiB: 4 }, program);
    machine.run({ count: from });
    const file = join(folder, `${setting.cpu}-${setting.mmu}.ringside`);
    writeFileSync(file, encodeSave(machine.save()));
    machine.run({ count: to });
    const printed = execFileSync(process.execPath, [bundle, file, String(to)], { encoding: 'utf8', timeout: 60_000 });
    // Facts pass through JSON, so both sides do.
    const here = { state: machine.stateHash(), events: machine.events.hash, facts: facts.save() };
    expect(JSON.parse(printed)).toEqual(JSON.parse(JSON.stringify(here)));
  });
});
