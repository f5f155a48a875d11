/** `ringside compare`: the same guest under every technique, side by side; the digests must agree. */
import { comparisonText } from '../facts/compare';
import { type Command, ExitStatus } from './command';
import { runGuest } from './guest-run';
import { machineConfig, MACHINE_OPTIONS } from './machine-options';
import { DEFAULT_LIMIT, loadOrExplain, onlyFile } from './run';

/** The four settings of a comparison. */
const SETTINGS = [
  { cpu: 'native', mmu: 'none' },
  { cpu: 'trap', mmu: 'shadow' },
  { cpu: 'hw', mmu: 'shadow' },
  { cpu: 'hw', mmu: 'nested' },
] as const;

export const compareCommand: Command = {
  name: 'compare',
  operands: 'FILE',
  help: 'run a guest under every technique and print the facts side by side',
  options: [
    ...MACHINE_OPTIONS.filter((o) => o.name !== 'cpu' && o.name !== 'mmu'),
    { name: 'limit', value: 'N', help: `give up after N guest instructions (default ${DEFAULT_LIMIT})` },
    { name: 'json', help: 'print one JSON object by setting' },
  ],
  async run(context, options) {
    const file = onlyFile(options, 'the guest to compare');
    const configs = SETTINGS.map((setting) => machineConfig(options, setting));
    const limit = options.number('limit', 1) ?? DEFAULT_LIMIT;
    const [first] = configs;
    const program = first === undefined ? undefined : await loadOrExplain(context, file, first);
    if (program === undefined) return ExitStatus.usage;
    const runs = configs.map((config) => ({
      title: config.mmu === 'none' ? config.cpu : `${config.cpu}+${config.mmu}`,
      run: runGuest(program, config, limit, context.interpreter),
    }));
    if (options.option('json') !== undefined) {
      const byTitle = runs.map(({ title, run }) => [
        title,
        { digest: run.digest.machine, facts: run.facts, stop: run.stop },
      ]);
      context.out(`${JSON.stringify(Object.fromEntries(byTitle))}\n`);
    } else {
      const rows = runs.map(({ title, run }) => ({ title, digest: run.digest.machine, report: run.facts }));
      context.out(`${comparisonText(rows)}\n`);
    }
    const digests = new Set(runs.map(({ run }) => run.digest.machine));
    const outputs = new Set(runs.map(({ run }) => run.output));
    const same = digests.size === 1 && outputs.size === 1;
    if (!same)
      context.err('The runs differ: the same guest must give the same digest and output under every technique.\n');
    return same && runs.every(({ run }) => run.ok) ? ExitStatus.ok : ExitStatus.failed;
  },
};
