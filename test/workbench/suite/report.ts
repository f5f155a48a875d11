// Runs a filled mocha instance, prints each test as a line and leaves the witness.
import { type Counts, say, writeWitness } from './witness';

/**
 * mocha's reporters write to a terminal or a page; an extension host has neither, so this one does nothing.
 * The cast: mocha calls the constructor and, if it is there, `done`; the declared type asks for a whole Base.
 */
export const silentReporter = class {} as unknown as Mocha.ReporterConstructor;

/** What the two builds of mocha have in common here. */
interface RunnableSuite {
  run(done: () => void): Mocha.Runner;
}

/** Rejects when a test failed, so that the workbench ends with status 1. */
export async function runAndReport(mocha: RunnableSuite): Promise<void> {
  const counts: Counts = { passed: 0, failed: 0, skips: [] };
  await new Promise<void>((done) => {
    mocha
      .run(() => done())
      .on('pass', (test) => {
        counts.passed++;
        say(`ok ${test.title} (${test.duration} ms)`);
      })
      .on('fail', (test, error: Error) => {
        counts.failed++;
        say(`FAILED ${test.fullTitle()}: ${error.stack ?? error.message}`);
      })
      .on('pending', (test) => {
        counts.skips.push(test.fullTitle());
      });
  });
  await writeWitness(counts);
  if (counts.failed > 0) throw new Error(`${counts.failed} tests failed`);
}
