// Brings the npm packages of package-lock.json into the checkout; a stamp says when there is nothing to do.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, run } from './children.mjs';
import { npm, root } from './paths.mjs';

const stamp = join(root, 'node_modules', '.ringside-packages');

/** Installs with `npm ci` if package-lock.json changed since the last time or nothing is installed. */
export async function ensurePackages() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  if (!existsSync(stamp) && existsSync(join(root, 'node_modules', '.package-lock.json'))) {
    // Somebody ran npm themselves: `npm ls` says whether the result fits, and nothing has to be fetched again.
    const listed = await run(npm, ['ls', '--all', '--silent'], { cwd: root, timeout: 60_000 });
    if (listed.code === 0) {
      writeFileSync(stamp, wanted);
      return;
    }
  }
  console.log('Installing the npm packages of package-lock.json into node_modules/ (nothing system-wide) ...');
  const began = Date.now();
  // --ignore-scripts: no package that is used here needs its install script.
  await must(npm, ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root });
  writeFileSync(stamp, wanted);
  console.log(`  done in ${Math.round((Date.now() - began) / 1000)} s.`);
}
