// The host suite as the Node extension host loads it.
import { runAndReport, silentReporter } from './report';
import { registerTests } from './tests';

export async function run(): Promise<void> {
  const { default: Mocha } = await import('mocha');
  const mocha = new Mocha({ ui: 'bdd', timeout: 30_000, reporter: silentReporter });
  mocha.suite.emit('pre-require', globalThis, 'suite', mocha);
  registerTests();
  await runAndReport(mocha);
}
