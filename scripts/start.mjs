// `npm start`: installs what is missing, builds, and opens VS Code with the extension and the sample workspace.
import { randomBytes } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { build } from './build.mjs';
import { start } from './children.mjs';
import { ensurePackages } from './packages.mjs';
import { root, sampleWorkspace, workbenchDir } from './paths.mjs';

function desktopCode() {
  if (process.env.VSCODE_EXECUTABLE) return process.env.VSCODE_EXECUTABLE;
  const name = process.platform === 'win32' ? 'code.cmd' : 'code';
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // Not here: the next folder.
    }
  }
  return undefined;
}

async function openDesktop(executable) {
  console.log(`Opening desktop VS Code (${executable}) with the extension and the folder guests/ ...`);
  const args = ['--new-window', `--extensionDevelopmentPath=${root}`, sampleWorkspace];
  const child = start(executable, args, { stdio: 'inherit', shell: process.platform === 'win32' });
  const code = await new Promise((done) => {
    child.once('error', (error) => {
      console.error(`${executable} could not be started: ${error.message}. Does VSCODE_EXECUTABLE name VS Code?`);
      done(1);
    });
    child.once('exit', (status) => done(status ?? 1));
  });
  process.exitCode = code;
}

async function openEmbedded() {
  console.log('No desktop VS Code was found (`code` on the path, or VSCODE_EXECUTABLE): using the embedded workbench.');
  const { installVsix, startServer } = await import('./workbench/server.mjs');
  const { packagedForWorkbench } = await import('./package.mjs');
  const { ensureWorkbench } = await import('./workbench/install.mjs');
  await ensureWorkbench();
  const home = join(workbenchDir, 'start');
  await installVsix(home, await packagedForWorkbench());
  const token = randomBytes(16).toString('hex');
  const server = await startServer({ home, token });
  const query = new URLSearchParams({ tkn: token, folder: sampleWorkspace });
  console.log(
    '\nVS Code is running. Open this address in a browser (the token keeps other users of this machine out):',
  );
  console.log(`\n  http://127.0.0.1:${server.port}/?${query.toString()}\n`);
  console.log('Open minikernel/kernel.asm and press F5. Ctrl-C here ends the workbench.');
  process.exitCode = await server.ended;
}

try {
  await ensurePackages();
  await build();
  const desktop = desktopCode();
  if (desktop !== undefined) await openDesktop(desktop);
  else {
    const { whyNoWorkbench } = await import('./workbench/install.mjs');
    const reason = whyNoWorkbench();
    if (reason === undefined) await openEmbedded();
    else {
      console.error(`VS Code is missing: there is no \`code\` on the path, and ${reason}.`);
      console.error('Install VS Code from https://code.visualstudio.com (then, on macOS, run "Shell Command: Install');
      console.error(
        "'code' command in PATH\" in it), or set VSCODE_EXECUTABLE to its program, and run npm start again.",
      );
      process.exitCode = 1;
    }
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
