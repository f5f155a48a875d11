// Packs the extension into one .vsix (`npm run package`).
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from './build.mjs';
import { must } from './children.mjs';
import { ensurePackages } from './packages.mjs';
import { bin, dist, root } from './paths.mjs';

/**
 * Packs dist/ and what the manifest names.
 * @param {string} [target] the file to write; by default ringside-<version>.vsix in the checkout
 * @returns {Promise<string>} the path of the .vsix
 */
export async function packageExtension(target) {
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const file = target ?? join(root, `${name}-${version}.vsix`);
  mkdirSync(dirname(file), { recursive: true });
  const args = ['package', '--no-dependencies', '--no-rewrite-relative-links', '--skip-license', '--out', file];
  await must(bin('vsce'), args, { cwd: root, timeout: 120_000 });
  return file;
}

/** The .vsix of the present build in dist/, packed anew only after a build. */
export async function packagedForWorkbench() {
  const file = join(dist, 'ringside.vsix');
  const stamp = join(dist, '.packaged');
  const manifest = statSync(join(root, 'package.json')).mtimeMs;
  const wanted = `${readFileSync(join(dist, '.built'), 'utf8')} ${manifest}`;
  if (existsSync(file) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return file;
  console.log('Packing the extension ...');
  await packageExtension(file);
  writeFileSync(stamp, wanted);
  return file;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await ensurePackages();
  await build();
  const file = await packageExtension();
  console.log(`${file}: ${Math.round(statSync(file).size / 1024)} KB`);
}
