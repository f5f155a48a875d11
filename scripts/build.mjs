// Bundles the extension, its workers and the command line into dist/; does nothing when no source changed.
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { generatedInterpreter } from './generate-interpreter.mjs';
import { bundledPackagesFile, packagesOf } from './notices.mjs';
import { dist, root } from './paths.mjs';
import { vmmSource } from './vmm-source.mjs';

/** Every bundle: where it starts, where it goes, and for which host. */
const bundles = [
  { from: 'src/extension/desktop.ts', to: 'extension.js', host: 'node', external: ['vscode'] },
  { from: 'src/extension/browser.ts', to: 'browser/extension.js', host: 'browser', external: ['vscode'] },
  // The workers run as worker_threads and as web Workers; only the former finds the Node module.
  { from: 'src/extension/session-worker.ts', to: 'session-worker.js', host: 'worker' },
  { from: 'src/extension/language-worker.ts', to: 'language-server.js', host: 'worker' },
  { from: 'src/cli/main.ts', to: 'ringside.cjs', host: 'node' },
];

const hosts = {
  node: { platform: 'node', format: 'cjs' },
  browser: { platform: 'browser', format: 'cjs' },
  worker: { platform: 'browser', format: 'iife', external: ['node:worker_threads'] },
};

/** `url` exists in Node only; @vscode/debugadapter uses nothing of it but URL, which every host has. */
const urlShim = {
  name: 'url-shim',
  setup(build) {
    build.onResolve({ filter: /^url$/ }, () => ({ path: 'url', namespace: 'url-shim' }));
    build.onLoad({ filter: /.*/, namespace: 'url-shim' }, () => ({ contents: 'export const URL = globalThis.URL;' }));
  },
};

/** A digest of everything that a build reads, by path, size and time of change. */
function fingerprint() {
  const hash = createHash('sha256');
  const visit = (path) => {
    if (!existsSync(path)) return;
    const stat = statSync(path);
    if (stat.isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name));
    else hash.update(`${relative(root, path)} ${stat.size} ${stat.mtimeMs}\n`);
  };
  for (const name of ['src', 'scripts', 'package-lock.json', 'tsconfig.json']) visit(join(root, name));
  return hash.digest('hex');
}

/** Bundles everything into a folder and returns the paths of all files that went in. */
async function bundle(folder) {
  const inputs = new Set();
  const esbuild = await import('esbuild');
  const { icedPlugin } = await import('./iced-plugin.mjs');
  await Promise.all(
    bundles.map(async ({ from, to, host, external = [] }) => {
      const { external: hostExternal = [], ...settings } = hosts[host];
      const { metafile } = await esbuild.build({
        ...settings,
        metafile: true,
        external: [...hostExternal, ...external],
        entryPoints: [join(root, from)],
        outfile: join(folder, to),
        bundle: true,
        // An explicit target: without one, loaders emit functions that the oldest supported Node lacks.
        target: 'es2022',
        minifySyntax: true,
        minifyWhitespace: true,
        sourcemap: true,
        legalComments: 'none',
        logLevel: 'warning',
        absWorkingDir: root,
        plugins: host === 'node' ? [icedPlugin()] : [icedPlugin(), urlShim],
      });
      for (const input of Object.keys(metafile.inputs)) inputs.add(input);
    }),
  );
  return inputs;
}

/** Builds dist/ unless it is up to date. */
export async function build({ force = false } = {}) {
  const stamp = join(dist, '.built');
  const wanted = fingerprint();
  if (!force && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) {
    console.log('dist/ is up to date.');
    return;
  }
  const began = Date.now();
  console.log('Building dist/ ...');
  // Made aside and moved file by file, so that a program which runs from dist/ never meets half a file.
  const staging = join(dist, `.staging-${process.pid}`);
  const scratch = join(dist, `.generator-${process.pid}`);
  try {
    mkdirSync(join(staging, 'browser'), { recursive: true });
    mkdirSync(join(dist, 'browser'), { recursive: true });
    const inputs = await bundle(staging);
    writeFileSync(join(staging, bundledPackagesFile), JSON.stringify(packagesOf(inputs)));
    const { icedWasmName, icedWasmPath } = await import('./iced-plugin.mjs');
    copyFileSync(icedWasmPath, join(staging, icedWasmName));
    writeFileSync(join(staging, 'interpreter.wasm'), await generatedInterpreter(root, scratch));
    writeFileSync(join(staging, 'vmm-source.json'), JSON.stringify(vmmSource(root)));
    for (const entry of readdirSync(staging, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const made = join(entry.parentPath ?? entry.path, entry.name);
      renameSync(made, join(dist, relative(staging, made)));
    }
  } finally {
    rmSync(staging, { recursive: true, force: true });
    rmSync(scratch, { recursive: true, force: true });
  }
  writeFileSync(stamp, wanted);
  console.log(`  done in ${Date.now() - began} ms.`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    await build({ force: process.argv.includes('--force') });
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
