// A vitest reporter that leaves the counts of a run, and the reason of each skip, in the file that RINGSIDE_COUNTS names.
import { writeFileSync } from 'node:fs';

export default class Counts {
  onTestRunEnd(modules, errors) {
    const counts = { passed: 0, failed: 0, skips: [], failures: [], files: modules.length };
    for (const module of modules) {
      for (const error of module.errors()) {
        counts.failed++;
        counts.failures.push(`${module.moduleId}: ${error.message}`);
      }
      for (const test of module.children.allTests()) {
        const { state, note } = { ...test.result() };
        if (state === 'passed') counts.passed++;
        else if (state === 'failed') {
          counts.failed++;
          counts.failures.push(test.fullName);
        } else counts.skips.push(`${test.fullName}: ${note ?? 'its own condition does not hold here'}`);
      }
    }
    for (const error of errors) {
      counts.failed++;
      counts.failures.push(`outside any test: ${error.message}`);
    }
    writeFileSync(process.env.RINGSIDE_COUNTS ?? '', JSON.stringify(counts));
  }
}
