// The licences of the packages that are part of the bundles: write-notices.mjs writes THIRD-PARTY-NOTICES.md, and a
// check in `npm test` holds the file against what the build really bundled.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dist, root } from './paths.mjs';

export const bundledPackagesFile = 'bundled-packages.json';
export const noticesFile = 'THIRD-PARTY-NOTICES.md';

/**
 * Names of the npm packages among the inputs of the bundles, sorted.
 * @param {Iterable<string>} inputs
 */
export function packagesOf(inputs) {
  const names = [...inputs].flatMap((input) => {
    const parts = input.replaceAll('\\', '/').split('node_modules/');
    const [scope, name] = (parts.length > 1 ? (parts.at(-1) ?? '') : '').split('/');
    if (scope === undefined || scope === '') return [];
    return [scope.startsWith('@') ? `${scope}/${name}` : scope];
  });
  return [...new Set(names)].sort();
}

/** The notices of the packages that the last build bundled. */
export function noticesText() {
  const names = JSON.parse(readFileSync(join(dist, bundledPackagesFile), 'utf8'));
  const parts = names.map((name) => {
    const folder = join(root, 'node_modules', name);
    const { version, license, author } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((entry) => /^(licen[cs]e|copying)/i.test(entry));
    const by = typeof author === 'string' ? author : author?.name;
    const text =
      file === undefined ? `No licence file is in the package; by ${by}.` : readFileSync(join(folder, file), 'utf8');
    return `## ${name} ${version} (${license})\n\n${text.replaceAll('\r', '').trim().replaceAll(/^/gm, '    ').replaceAll(/ +$/gm, '')}\n`;
  });
  return `# Third-party notices\n\nThe Ringside extension contains these packages. This file is made by \`npm run notices\`.\n\n${parts.join('\n')}`;
}

/** Does the committed file say what the build bundled? */
export function checkNotices() {
  const path = join(root, noticesFile);
  const ok = existsSync(path) && readFileSync(path, 'utf8') === noticesText();
  return { ok, output: `${noticesFile} is not what the build bundled: run npm run notices and commit it.` };
}
