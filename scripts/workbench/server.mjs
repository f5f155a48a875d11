// Starts the embedded workbench's server on 127.0.0.1 and installs extensions into it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { end, must, start } from '../children.mjs';
import { ensureWorkbench } from './install.mjs';

/** User settings of every embedded workbench: no questions at the start, nothing that calls the network. */
const quietSettings = {
  'security.workspace.trust.enabled': false,
  'workbench.startupEditor': 'none',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'chat.disableAIFeatures': true,
  'extensions.autoUpdate': false,
  'extensions.autoCheckUpdates': false,
  'telemetry.telemetryLevel': 'off',
  'git.enabled': false,
};

const folders = (home) => [
  ...['--server-data-dir', home],
  ...['--user-data-dir', join(home, 'data')],
  ...['--extensions-dir', join(home, 'extensions')],
];

/** An empty gallery address ends the server's attempts to reach one. */
const environment = (env) => ({ ...process.env, ...env, EXTENSIONS_GALLERY: '{}' });

/** Installs a .vsix into the extensions folder of `home`. */
export async function installVsix(home, vsix) {
  const { node, server } = await ensureWorkbench();
  mkdirSync(home, { recursive: true });
  const main = join(server, 'out', 'server-main.js');
  const printed = await must(node, [main, '--install-extension', resolve(vsix), '--force', ...folders(home)], {
    env: environment({}),
    timeout: 60_000,
  });
  if (!/successfully installed/.test(printed)) throw new Error(`${vsix} was not installed:\n${printed}`);
}

/**
 * Starts a server that keeps its state under `home`.
 * @param {object} options
 * @param {string} options.home folder for data, settings and extensions
 * @param {string} [options.token] connection token; without one any local process may connect (tests only)
 * @param {number} [options.port] 0 takes a free one
 * @param {boolean} [options.testDriver] lets the page's payload start a test suite
 * @param {Record<string, unknown>} [options.settings] user settings beside the quiet ones
 * @param {Record<string, string | undefined>} [options.env] environment of the extension host
 * @returns {Promise<{ port: number, log: () => string, stop: () => Promise<void>, ended: Promise<number> }>}
 */
export async function startServer(options) {
  const { home, token, port = 0, testDriver = false, settings = {}, env = {} } = options;
  const { node, server } = await ensureWorkbench();
  mkdirSync(join(home, 'data', 'User'), { recursive: true });
  mkdirSync(join(home, 'extensions'), { recursive: true });
  const userSettings = { ...quietSettings, ...settings };
  writeFileSync(join(home, 'data', 'User', 'settings.json'), JSON.stringify(userSettings, null, 2));
  const args = [
    join(server, 'out', 'server-main.js'),
    ...['--host', '127.0.0.1', '--port', String(port)],
    ...(token === undefined ? ['--without-connection-token'] : ['--connection-token', token]),
    ...['--accept-server-license-terms', '--telemetry-level', 'off', '--disable-workspace-trust'],
    ...folders(home),
    ...(testDriver ? ['--enable-smoke-test-driver'] : []),
  ];
  const child = start(node, args, { env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  const ended = new Promise((done) => child.once('close', (code) => done(code ?? 1)));
  const listening = new Promise((done, fail) => {
    const take = (chunk) => {
      printed = (printed + chunk).slice(-200_000);
      const ready = /Extension host agent listening on (\d+)/.exec(printed);
      if (ready) done(Number(ready[1]));
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.once('error', fail);
    child.once('close', (code) => fail(new Error(`The workbench's server ended with status ${code}:\n${printed}`)));
    setTimeout(() => fail(new Error(`The workbench's server was not ready after 30 s:\n${printed}`)), 30_000).unref();
  });
  ended.catch(() => {});
  const stop = async () => {
    end(child, 'SIGTERM');
    const hard = setTimeout(() => end(child, 'SIGKILL'), 2000);
    await ended;
    clearTimeout(hard);
  };
  return { port: await listening, log: () => printed, stop, ended };
}

/** A file or folder of this machine as the page names it. */
export const remoteUri = (port, path) =>
  `vscode-remote://127.0.0.1:${port}${resolve(path).split('/').map(encodeURIComponent).join('/')}`;
