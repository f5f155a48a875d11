// `npm run soak`: the unit tests with RINGSIDE_SOAK=1, under which randomized tests run for long.
import { build } from './build.mjs';
import { run } from './children.mjs';
import { ensurePackages } from './packages.mjs';
import { bin, root } from './paths.mjs';

await ensurePackages();
await build();
const env = { ...process.env, RINGSIDE_SOAK: '1' };
const { code } = await run(bin('vitest'), ['run', ...process.argv.slice(2)], { cwd: root, env, show: true });
process.exitCode = code;
