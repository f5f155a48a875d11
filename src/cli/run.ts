/** `ringside run`: a guest without an editor; its output, facts and digest. */
import { loadProgram, type Program } from '../debugger/program';
import { factsText } from '../facts/report';
import type { MachineConfig } from '../machine/config';
import { type Command, type CommandContext, ExitStatus } from './command';
import { runGuest } from './guest-run';
import { machineConfig, MACHINE_OPTIONS } from './machine-options';
import { type ParsedOptions, UsageError } from './options';

/** Instructions after which a run is given up unless --limit says otherwise. */
export const DEFAULT_LIMIT = 1_000_000_000;

/** The one file of a command line. */
export function onlyFile(options: ParsedOptions, what: string): string {
  const [file, ...more] = options.files;
  if (file === undefined) throw new UsageError(`Name ${what}.`);
  if (more.length > 0) throw new UsageError(`Name one file, not ${options.files.length}: ${options.files.join(' ')}.`);
  return file;
}

/** Loads a program; undefined, with its problems printed, when it cannot be. */
export async function loadOrExplain(
  context: CommandContext,
  file: string,
  config: MachineConfig,
): Promise<Program | undefined> {
  const program = await loadProgram(context.absolute(file), context.files, config.memoryMiB * 1024 * 1024);
  if ('problems' in program) {
    for (const problem of program.problems) context.err(`${problem}\n`);
    return undefined;
  }
  for (const warning of program.warnings) context.err(`${warning}\n`);
  return program;
}

export const runCommand: Command = {
  name: 'run',
  operands: 'FILE',
  help: 'run a guest (an assembly source or a flat image) to its end',
  options: [
    ...MACHINE_OPTIONS,
    { name: 'limit', value: 'N', help: `give up after N guest instructions (default ${DEFAULT_LIMIT})` },
    { name: 'json', help: 'print one JSON object {digest, output, facts, stop} and nothing else' },
    { name: 'quiet', short: 'q', help: "print the guest's output only" },
  ],
  async run(context, options) {
    const file = onlyFile(options, 'the guest to run, for example guests/minikernel/kernel.asm');
    const config = machineConfig(options);
    const limit = options.number('limit', 1) ?? DEFAULT_LIMIT;
    const program = await loadOrExplain(context, file, config);
    if (program === undefined) return ExitStatus.usage;
    const json = options.option('json') !== undefined;
    const result = runGuest(
      program,
      config,
      limit,
      context.interpreter,
      json ? undefined : (text) => context.out(text),
    );
    const { digest, output, facts, stop, ok } = result;
    if (json) {
      context.out(`${JSON.stringify({ digest: digest.machine, output, facts, stop })}\n`);
    } else if (options.option('quiet') === undefined) {
      if (output !== '' && !output.endsWith('\n')) context.out('\n');
      context.out(`\n${factsText(facts)}\n\ndigest.machine ${digest.machine}\n${stop.description}\n`);
    }
    if (!ok && (json || options.option('quiet') !== undefined)) context.err(`${stop.description}\n`);
    return ok ? ExitStatus.ok : ExitStatus.failed;
  },
};
