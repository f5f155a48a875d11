// A vitest reporter that leaves the counts of a run, and the reason of each skip, in the file that RINGSIDE_COUNTS names.
import { writeFileSync } from 'node:fs';

/** Why a test was skipped: its own note, or the end of the title of a group that is skipped whole, `(skipped: ...)`. */
function reasonOf(test, note) {
  if (note) return note;
  for (let suite = test.parent; suite?.type === 'suite'; suite = suite.parent) {
    const said = /^(.*) \(skipped: (.+)\)$/.exec(suite.name);
    if (said) return `${said[1]}: ${said[2]}`;
  }
  return `${test.fullName} gives no reason`;
}

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
        } else counts.skips.push({ test: test.fullName, reason: reasonOf(test, note) });
      }
    }
    for (const error of errors) {
      counts.failed++;
      counts.failures.push(`outside any test: ${error.message}`);
    }
    writeFileSync(process.env.RINGSIDE_COUNTS ?? '', JSON.stringify(counts));
  }
}
