// `node bench/adapter.mjs [steps]`: the debug adapter over standard input and output: launch to the first stop, and a
// step to its stop with stack, scopes and all variables, under each technique.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build } from '../scripts/build.mjs';
import { root } from '../scripts/paths.mjs';

const { DebugClient } = createRequire(import.meta.url)('@vscode/debugadapter-testsupport');
const settings = [
  ['native', 'none'],
  ['trap', 'shadow'],
  ['hw', 'shadow'],
  ['hw', 'nested'],
];
const steps = Number(process.argv[2] ?? 200);
const program = join(root, 'guests', 'minikernel', 'kernel.asm');

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))].toFixed(2);

async function measure(cpu, mmu) {
  const client = new DebugClient(process.execPath, join(root, 'test', 'adapter', 'ringside-dap.cjs'), 'ringside');
  await client.start();
  const began = performance.now();
  const entry = client.waitForEvent('stopped', 60_000);
  await Promise.all([client.configurationSequence(), client.launch({ program, cpu, mmu })]);
  await entry;
  const launch = performance.now() - began;
  const atStop = [];
  const stepping = [];
  for (let i = 0; i < steps; i++) {
    const from = performance.now();
    const stopped = client.waitForEvent('stopped', 60_000);
    await client.stepInRequest({ threadId: 1 });
    await stopped;
    const at = performance.now();
    await client.stackTraceRequest({ threadId: 1, startFrame: 0, levels: 20 });
    const { body } = await client.scopesRequest({ frameId: 0 });
    for (const { variablesReference } of body.scopes) await client.variablesRequest({ variablesReference });
    stepping.push(at - from);
    atStop.push(performance.now() - at);
  }
  await client.stop();
  for (const list of [stepping, atStop]) list.sort((a, b) => a - b);
  const shown = [stepping, atStop].map((list) => `${quantile(list, 0.5)} ms (95 %: ${quantile(list, 0.95)} ms)`);
  console.log(`  ${`${cpu} ${mmu}`.padEnd(14)} launch ${launch.toFixed(0)} ms, step ${shown[0]}, views ${shown[1]}`);
}

await build();
console.log(`Adapter over standard input and output, ${steps} steps, median:`);
for (const [cpu, mmu] of settings) await measure(cpu, mmu);
