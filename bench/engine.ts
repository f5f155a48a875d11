/** Millions of instructions per second of the interpreter tier on small guest loops: `node scripts/run-bench.mjs engine`. */
import { BenchMachine } from '../src/engine/bench-machine.test-support';

/** Sieve of 65 536 bytes, again and again (rep stosd, byte compares and stores, short loops). */
const SIEVE =
  'bf0000100031c0b900400000f3abbf00001000be02000000803c37007514428d1c3681fb000001007308c6041f0101f3ebf04681fe0000010072ddebc3';
/** Recursive fib(20), again and again (calls, returns, stack frames). */
const FIB =
  'bc000008006a14e80500000083c404ebf45589e5538b450883f8027c1c4850e8edffffff89c38b450883e802890424e8ddffffff01d883c4045bc9c3';

function bytes(hex: string): number[] {
  return (hex.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
}

function measure(name: string, code: string, evaluatorOnly: boolean, instructions: number): void {
  const machine = new BenchMachine(4 << 20, { evaluatorOnly }, 64);
  machine.map(0, 0, 1024);
  machine.place(0x1000, bytes(code));
  machine.engine.run(instructions);
  for (let round = 0; round < 3; round++) {
    const start = performance.now();
    const { retired } = machine.engine.run(instructions);
    const seconds = (performance.now() - start) / 1000;
    console.log(`${name}: ${(retired / seconds / 1e6).toFixed(1)} MIPS`);
  }
}

measure('sieve, interpreter', SIEVE, false, 50_000_000);
measure('fib, interpreter', FIB, false, 50_000_000);
measure('sieve, evaluator', SIEVE, true, 500_000);
