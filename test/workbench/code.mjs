#!/usr/bin/env node
// Stands in for the `code` executable that @vscode/test-electron starts: the embedded workbench in a headless browser.
// Exit status: the suite's own; 70 = timeout or failed start, 71 = the extension host died, 130 = interrupted.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { format } from 'node:util';
import { out } from '../../scripts/paths.mjs';
import { remoteUri, startServer } from '../../scripts/workbench/server.mjs';
import { openBrowser } from './browser.mjs';

const flag = (name) => {
  const prefix = `--${name}=`;
  return process.argv.find((argument) => argument.startsWith(prefix))?.slice(prefix.length);
};
const extension = flag('extensionDevelopmentPath');
const suite = flag('extensionTestsPath');
const workspace = process.argv.slice(2).find((argument) => !argument.startsWith('-') && existsSync(argument));
const limit = Number(process.env.RINGSIDE_SUITE_SECONDS ?? 240) * 1000;
/** The workbench's own log arrives on the same channel: only lines with this mark are the suite's. */
const mark = '[suite] ';

if (extension === undefined || suite === undefined) {
  console.error('code.mjs runs test suites only: give --extensionDevelopmentPath= and --extensionTestsPath=');
  process.exit(70);
}

/** The settings that the caller prepared in its --user-data-dir, as desktop VS Code would read them. */
function userSettings() {
  const folder = flag('user-data-dir');
  const file = folder && join(folder, 'User', 'settings.json');
  return file && existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
}

const home = mkdtempSync(join(tmpdir(), 'ringside-code-'));
let server;
let browser;
const finish = async (code) => {
  await browser?.close().catch(() => {});
  await server?.stop().catch(() => {});
  rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  process.exit(code);
};
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void finish(130));

try {
  server = await startServer({
    home,
    testDriver: true,
    settings: userSettings(),
  });
  let page;
  ({ browser, page } = await openBrowser());
  let report;
  const result = new Promise((done) => {
    report = done;
  });
  await page.exposeFunction('codeAutomationLog', (_type, args) => {
    const line = format(...args);
    if (line.startsWith(mark)) console.log(line.slice(mark.length));
    else if (process.env.RINGSIDE_SHOW === '1') console.log(line);
  });
  await page.exposeFunction('codeAutomationExit', (code) => report(code));
  page.on('crash', () => report(71));
  const giveUp = async () => {
    mkdirSync(join(out, 'screenshots'), { recursive: true });
    const path = resolve(out, 'screenshots', 'timeout.png');
    await page.screenshot({ path, timeout: 5000 }).catch(() => {});
    console.error(`The suite gave no result in ${limit / 1000} s; see ${path}. The server's last words:`);
    console.error(server.log().split('\n').slice(-15).join('\n'));
    report(70);
  };
  const uri = (path) => remoteUri(server.port, path);
  const query = new URLSearchParams({
    ...(workspace === undefined
      ? { ew: 'true' }
      : { [workspace.endsWith('.code-workspace') ? 'workspace' : 'folder']: uri(workspace) }),
    payload: JSON.stringify([
      ['extensionDevelopmentPath', uri(extension)],
      ['extensionTestsPath', uri(suite)],
      ['skipWelcome', 'true'],
    ]),
  });
  await page.goto(`http://127.0.0.1:${server.port}/?${query.toString()}`);
  const timer = setTimeout(() => void giveUp(), limit);
  const code = await result;
  clearTimeout(timer);
  await finish(code);
} catch (error) {
  console.error(error);
  await finish(70);
}
