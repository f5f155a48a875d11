// `npm run bench`: the minikernel's whole run under each technique, wall time of the command line, rounds interleaved.
import { join } from 'node:path';
import { build } from '../scripts/build.mjs';
import { run } from '../scripts/children.mjs';
import { ensurePackages } from '../scripts/packages.mjs';
import { dist, root } from '../scripts/paths.mjs';

const settings = [
  ['native', 'none'],
  ['trap', 'shadow'],
  ['hw', 'shadow'],
  ['hw', 'nested'],
];
const rounds = Number(process.argv[2] ?? 5);

await ensurePackages();
await build();
const guest = join(root, 'guests', 'minikernel', 'kernel.asm');
const times = new Map(settings.map((setting) => [setting, []]));
for (let round = 0; round < rounds; round++)
  for (const [setting, list] of times) {
    const [cpu, mmu] = setting;
    const began = performance.now();
    const args = [join(dist, 'ringside.cjs'), 'run', guest, '--cpu', cpu, '--mmu', mmu, '--json'];
    const { code, output } = await run(process.execPath, args, { timeout: 120_000 });
    if (code !== 0) throw new Error(`The run under ${cpu} ${mmu} failed with status ${code}:\n${output.slice(-2000)}`);
    list.push(performance.now() - began);
  }
console.log(`guests/minikernel, ${rounds} rounds, whole process, best (worst):`);
for (const [[cpu, mmu], list] of times)
  console.log(
    `  ${`${cpu} ${mmu}`.padEnd(14)} ${Math.min(...list).toFixed(0)} ms (${Math.max(...list).toFixed(0)} ms)`,
  );
