// Runs the host suite inside a real workbench, in the Node or in the web worker extension host.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runTests } from '@vscode/test-electron';
import { build } from 'esbuild';
import { run } from '../../scripts/children.mjs';
import { out, root, sampleWorkspace } from '../../scripts/paths.mjs';

/** Bundles the suite. The web worker host can load one file only, inside the extension's folder and named .js. */
async function bundleSuite(host) {
  const outfile = join(out, 'suite', `${host}.js`);
  await build({
    entryPoints: [join(root, 'test', 'workbench', 'suite', `${host}.ts`)],
    outfile,
    bundle: true,
    format: 'cjs',
    platform: host === 'node' ? 'node' : 'browser',
    target: 'es2022',
    external: ['vscode', 'node:worker_threads', ...(host === 'node' ? ['mocha'] : [])],
    // Without this, mocha's browser build takes the bundle's `module.exports` for its own.
    define: host === 'web' ? { module: 'undefined', exports: 'undefined' } : {},
    logLevel: 'error',
  });
  return outfile;
}

/**
 * Runs the suite through @vscode/test-electron: with desktop VS Code where RINGSIDE_DESKTOP_TESTS=1 asks for it (and
 * VSCODE_EXECUTABLE may name it), else with the stand-in that opens the embedded workbench.
 * The suite counts as passed only with the witness file that it writes at its end: when the extension host dies,
 * the workbench reports success.
 * @param {'node' | 'web'} host
 */
export async function runHostSuite(host) {
  const suite = await bundleSuite(host);
  const user = mkdtempSync(join(tmpdir(), 'ringside-suite-'));
  const witness = join(out, 'suite', `${host}-witness.json`);
  rmSync(witness, { force: true });
  mkdirSync(join(user, 'User'), { recursive: true });
  const settings = {
    'ringsideTest.witness': witness,
    'ringsideTest.host': host,
    ...(host === 'web' ? { 'remote.extensionKind': { 'ringside.ringside': ['web'] } } : {}),
  };
  writeFileSync(join(user, 'User', 'settings.json'), JSON.stringify(settings));
  const desktop = process.env.RINGSIDE_DESKTOP_TESTS === '1' && host === 'node';
  const options = {
    vscodeExecutablePath: desktop ? process.env.VSCODE_EXECUTABLE : join(root, 'test', 'workbench', 'code.mjs'),
    extensionDevelopmentPath: root,
    extensionTestsPath: suite,
    launchArgs: [sampleWorkspace, `--user-data-dir=${user}`],
  };
  // In a process of its own: runTests writes to this process's output, which belongs to the summary.
  const program = `import(${JSON.stringify(import.meta.url)}).then((m) => m.inOwnProcess(${JSON.stringify(options)}))`;
  const { code, output } = await run(process.execPath, ['-e', program], { cwd: root, timeout: 300_000 });
  rmSync(user, { recursive: true, force: true });
  const said = output.split('\n').filter((line) => !/^Exit code/.test(line));
  if (!existsSync(witness))
    return {
      passed: 0,
      failed: 1,
      skips: [],
      output: [...said, `The suite left no witness (status ${code}).`].join('\n'),
    };
  const { passed, failed, skips } = JSON.parse(readFileSync(witness, 'utf8'));
  const contradiction = code !== 0 && failed === 0 ? 1 : 0;
  const bad = failed + contradiction > 0 || passed === 0;
  const measured = said.filter((line) => line.includes('measured: '));
  return {
    passed,
    failed: failed + contradiction + (passed === 0 && failed === 0 ? 1 : 0),
    skips,
    output: (bad ? said : measured).join('\n'),
  };
}

/** @public Called in the process that runHostSuite starts. */
export async function inOwnProcess(options) {
  try {
    process.exitCode = await runTests(options);
  } catch (error) {
    console.log(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}

if (fileURLToPath(import.meta.url) === process.argv[1]) {
  for (const host of process.argv.slice(2)) console.log(await runHostSuite(host));
}
