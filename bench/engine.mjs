// `node bench/engine.mjs`: millions of instructions per second of the engine alone on small guest loops.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';
import { root } from '../scripts/paths.mjs';

/** Sieve of 65 536 bytes, again and again (rep stosd, byte compares and stores, short loops). */
const sieve =
  'bf0000100031c0b900400000f3abbf00001000be02000000803c37007514428d1c3681fb000001007308c6041f0101f3ebf04681fe0000010072ddebc3';
/** Recursive fib(20), again and again (calls, returns, stack frames). */
const fib =
  'bc000008006a14e80500000083c404ebf45589e5538b450883f8027c1c4850e8edffffff89c38b450883e802890424e8ddffffff01d883c4045bc9c3';

/** The test machine, bundled as the sources are now. */
async function testMachine() {
  const cache = join(root, 'node_modules', '.cache', 'ringside');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'bench-'));
  try {
    const outfile = join(folder, 'bench-machine.cjs');
    await build({
      entryPoints: [join(root, 'src', 'engine', 'bench-machine.test-support.ts')],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'cjs',
      // As published, iced loads its own WebAssembly in Node.
      external: ['iced-x86'],
    });
    return createRequire(import.meta.url)(outfile).BenchMachine;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const BenchMachine = await testMachine();

function measure(name, code, evaluatorOnly, instructions) {
  const machine = new BenchMachine(4 << 20, { evaluatorOnly }, 64);
  machine.map(0, 0, 1024);
  machine.place(0x1000, [...Buffer.from(code, 'hex')]);
  machine.engine.run(instructions);
  for (let round = 0; round < 3; round++) {
    const start = performance.now();
    const { retired } = machine.engine.run(instructions);
    const seconds = (performance.now() - start) / 1000;
    console.log(`${name}: ${(retired / seconds / 1e6).toFixed(1)} MIPS`);
  }
}

measure('sieve, interpreter', sieve, false, 50_000_000);
measure('fib, interpreter', fib, false, 50_000_000);
measure('sieve, evaluator', sieve, true, 500_000);
