// `npm test`: installs what is missing, builds, runs every suite and ends with the line `N passed, N failed, N skipped`.
// Names of suites as arguments select them: `npm test -- unit lint`.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { checkRamViews } from './checks/ram-views.mjs';
import { checkRooms } from './checks/rooms.mjs';
import { checkNotices } from './notices.mjs';
import { run } from './children.mjs';
import { ensurePackages } from './packages.mjs';
import { bin, out, root } from './paths.mjs';
import { whyNoWorkbench } from './workbench/install.mjs';

/** @typedef {{ passed: number, failed: number, skips: string[], output: string }} Result */

const check = ({ ok, output }) => ({ passed: ok ? 1 : 0, failed: ok ? 0 : 1, skips: [], output: ok ? '' : output });

/** A check that is one command: passed when its status is 0. */
const command =
  (name, ...args) =>
  async () => {
    const { code, output } = await run(bin(name), args, { cwd: root, timeout: 300_000 });
    return check({ ok: code === 0, output });
  };

/** A vitest run, counted by test. `least` is the number of test files below which the run is void. */
const vitest = (config, least, minutes) => async () => {
  const counts = join(out, `${config.replaceAll('/', '-')}.json`);
  rmSync(counts, { force: true });
  const args = ['run', '--config', config, '--reporter=default', '--reporter=./scripts/checks/vitest-counts.mjs'];
  const { code, output } = await run(bin('vitest'), args, {
    cwd: root,
    env: { ...process.env, RINGSIDE_COUNTS: counts, NO_COLOR: '1' },
    timeout: minutes * 60_000,
    show: process.env.RINGSIDE_SHOW === '1',
  });
  if (!existsSync(counts)) return { passed: 0, failed: 1, skips: [], output: `vitest gave no result:\n${output}` };
  const { passed, failed, skips, failures, files } = JSON.parse(readFileSync(counts, 'utf8'));
  const missing = files < least() ? [`only ${files} of ${least()} test files were seen`] : [];
  const unsaid = code !== 0 && failed === 0 ? [`vitest ended with status ${code}`] : [];
  const problems = [...missing, ...unsaid];
  const said = output.split('\n').filter((line) => line.startsWith('measured: '));
  return {
    passed,
    failed: failed + problems.length,
    skips: skips.map((skip) => skip.reason),
    output: failed + problems.length > 0 ? [output, ...failures, ...problems].join('\n') : said.join('\n'),
  };
};

/** Test files below a folder of the checkout. */
function testFiles(folder) {
  const path = join(root, folder);
  if (!existsSync(path)) return 0;
  return readdirSync(path, { recursive: true }).filter((name) => name.endsWith('.test.ts')).length;
}

async function grammar() {
  const folder = join(root, 'test', 'grammar');
  const cases = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.asm')) : [];
  const bare = cases.filter((name) => !existsSync(join(folder, `${name}.snap`)));
  if (cases.length === 0) return check({ ok: false, output: 'test/grammar/ holds no .asm file' });
  if (bare.length > 0) return check({ ok: false, output: `no snapshot beside ${bare.join(', ')}` });
  // The manifest leaves .asm to other extensions, so the scope is named here.
  const grammarFile = 'syntaxes/ringside-asm.tmLanguage.json';
  const options = ['--expandDiff', '-s', 'source.ringside-asm', '-g', grammarFile];
  const { code, output } = await run(bin('vscode-tmgrammar-snap'), [...options, 'test/grammar/*.asm'], { cwd: root });
  return {
    passed: code === 0 ? cases.length : 0,
    failed: code === 0 ? 0 : 1,
    skips: [],
    output: code === 0 ? '' : output,
  };
}

/** A suite inside the real workbench; the packages that it needs are loaded only here. */
const hosted = (host) => async () => {
  const { runHostSuite } = await import('../test/workbench/run-suite.mjs');
  return runHostSuite(host);
};

const needsWorkbench = true;
const suites = [
  { name: 'format', parallel: true, run: command('biome', 'ci', '--colors=off', '--reporter=summary') },
  { name: 'lint', parallel: true, run: command('oxlint', '--type-aware', '--deny-warnings') },
  { name: 'types', parallel: true, run: command('tsc', '--noEmit', '-p', 'tsconfig.json') },
  { name: 'rooms', parallel: true, run: async () => check(await checkRooms()) },
  { name: 'ram-views', parallel: true, run: async () => check(checkRamViews()) },
  { name: 'notices', parallel: true, run: async () => check(checkNotices()) },
  { name: 'dead-code', parallel: true, run: command('knip', '--no-progress') },
  { name: 'grammar', parallel: true, run: grammar },
  { name: 'unit', run: vitest('vitest.config.mts', () => testFiles('src') + testFiles('test/unit'), 10) },
  { name: 'adapter', run: vitest('test/adapter/vitest.config.mts', () => testFiles('test/adapter'), 4) },
  { name: 'workbench-node', needsWorkbench, run: hosted('node') },
  { name: 'workbench-web', needsWorkbench, run: hosted('web') },
  {
    name: 'workbench-ui',
    needsWorkbench,
    run: vitest('test/workbench/vitest.config.mts', () => testFiles('test/workbench/ui'), 6),
  },
];

/** How often each reason occurs. */
function tally(reasons) {
  const counts = new Map();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return counts;
}

async function runSuite(suite) {
  const began = Date.now();
  /** @type {Result} */
  let result;
  const impossible = suite.needsWorkbench ? whyNoWorkbench() : undefined;
  if (impossible !== undefined)
    result = { passed: 0, failed: 0, skips: [`the whole suite: ${impossible}`], output: '' };
  else
    try {
      result = await suite.run();
    } catch (error) {
      result = {
        passed: 0,
        failed: 1,
        skips: [],
        output: error instanceof Error ? (error.stack ?? '') : String(error),
      };
    }
  const { passed, failed, skips, output } = result;
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  console.log(
    `${failed > 0 ? 'FAILED' : 'ok    '} ${suite.name}: ${passed} passed, ${failed} failed, ${skips.length} skipped (${seconds} s)`,
  );
  if (output.trim() !== '') console.log(output.trimEnd().replaceAll(/^/gm, '       '));
  for (const [reason, count] of tally(skips)) console.log(`       skipped ${count}: ${reason}`);
  return result;
}

/** Runs two of the independent suites at a time. */
async function runInPairs(list) {
  const waiting = [...list];
  const results = [];
  const worker = async () => {
    for (let suite = waiting.shift(); suite !== undefined; suite = waiting.shift()) results.push(await runSuite(suite));
  };
  await Promise.all([worker(), worker()]);
  return results;
}

const began = Date.now();
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !suites.some((suite) => suite.name === name));
if (unknown.length > 0) {
  console.error(
    `There is no suite ${unknown.join(', ')}; the suites are ${suites.map((suite) => suite.name).join(', ')}.`,
  );
  process.exit(2);
}
const chosen = suites.filter((suite) => wanted.length === 0 || wanted.includes(suite.name));
mkdirSync(out, { recursive: true });

let results;
try {
  await ensurePackages();
  await build();
  results = await runInPairs(chosen.filter((suite) => suite.parallel));
  for (const suite of chosen.filter((other) => !other.parallel)) results.push(await runSuite(suite));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  results = [{ passed: 0, failed: 1, skips: [], output: '' }];
}
const sum = (count) => results.reduce((total, result) => total + count(result), 0);
const failed = sum((result) => result.failed);
console.log(`All suites took ${Math.round((Date.now() - began) / 1000)} s.`);
const last = `${sum((result) => result.passed)} passed, ${failed} failed, ${sum((result) => result.skips.length)} skipped`;
writeFileSync(join(out, 'result.txt'), `${last}\n`);
console.log(last);
process.exitCode = failed > 0 ? 1 : 0;
