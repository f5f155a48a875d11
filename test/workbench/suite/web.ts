// The host suite as the web worker extension host loads it: one file, with mocha's browser build inside.
import 'mocha/mocha.js';
import { runAndReport, silentReporter } from './report';
import { registerTests } from './tests';

export async function run(): Promise<void> {
  mocha.setup({ ui: 'bdd', timeout: 30_000 });
  mocha.reporter(silentReporter);
  registerTests();
  await runAndReport(mocha);
}
