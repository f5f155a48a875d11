// Brings the npm packages of package-lock.json into the checkout; a stamp says when there is nothing to do.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, run } from './children.mjs';
import { npm, root } from './paths.mjs';

const stamp = join(root, 'node_modules', '.ringside-packages');

/** Installs the locked versions if package-lock.json changed since the last time or nothing is installed. */
export async function ensurePackages() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  if (existsSync(join(root, 'node_modules', '.package-lock.json'))) {
    // Somebody ran npm themselves: `npm ls` says whether the result fits, and nothing has to be fetched again.
    const listed = await run(npm, ['ls', '--all', '--silent'], { cwd: root, timeout: 60_000 });
    if (listed.code === 0) {
      writeFileSync(stamp, wanted);
      return;
    }
  }
  console.log('Installing the npm packages of package-lock.json into node_modules/ (nothing system-wide) ...');
  const began = Date.now();
  // Not `npm ci`: it refuses a lock file without the optional packages of other platforms, which some registries lack.
  // With --no-save, `install` takes the locked versions and writes no file of the checkout.
  // --ignore-scripts: no package that is used here needs its install script.
  const options = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  await must(npm, ['install', ...options], { cwd: root });
  writeFileSync(stamp, wanted);
  console.log(`  done in ${Math.round((Date.now() - began) / 1000)} s.`);
}
