// Room imports: dependency-cruiser over src/ with the list of .dependency-cruiser.cjs, and a guard that it saw every file.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../children.mjs';
import { bin, root } from '../paths.mjs';

const wholeOutput = 64; // violations printed before the rest is cut

/** @returns {Promise<{ ok: boolean, output: string }>} */
export async function checkRooms() {
  const files = readdirSync(join(root, 'src'), { recursive: true }).filter((name) => /(?<!\.d)\.ts$/.test(name));
  const { output } = await run(
    bin('depcruise'),
    ['src', '--config', '.dependency-cruiser.cjs', '--output-type', 'json'],
    {
      cwd: root,
      timeout: 180_000,
    },
  );
  let report;
  try {
    report = JSON.parse(output.slice(output.indexOf('{')));
  } catch {
    return { ok: false, output: `dependency-cruiser gave no report:\n${output.slice(0, 2000)}` };
  }
  const seen = report.modules.filter((module) => /^src\/.*\.ts$/.test(module.source)).length;
  // The checker succeeds with "0 modules" when it cannot read TypeScript: that must not pass for an answer.
  if (seen < files.length)
    return {
      ok: false,
      output: `dependency-cruiser saw ${seen} of the ${files.length} files in src/: its result is void.`,
    };
  const broken = report.summary.violations.filter((violation) => violation.rule.severity === 'error');
  const lines = broken.slice(0, wholeOutput).map((violation) => {
    const way = violation.cycle?.map((step) => step.name).join(' -> ') ?? violation.to;
    return `${violation.from} -> ${way}: breaks ${violation.rule.name}. ${violation.comment ?? ''}`;
  });
  return {
    ok: broken.length === 0,
    output: [...lines, `${seen} modules seen, ${broken.length} violations`].join('\n'),
  };
}
