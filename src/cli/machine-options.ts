/** The options that describe a machine, and the configuration that they make. */
import { checkConfig, CPU_TECHNIQUES, MMU_TECHNIQUES, type MachineConfig } from '../machine/config';
import { PROFILE_NAMES } from '../x86/profiles';
import { type OptionInfo, type ParsedOptions, UsageError } from './options';

export const MACHINE_OPTIONS: readonly OptionInfo[] = [
  { name: 'cpu', value: 'NAME', help: `how guest code runs: ${CPU_TECHNIQUES.join(', ')} (default native)` },
  { name: 'mmu', value: 'NAME', help: `how guest memory is mapped: ${MMU_TECHNIQUES.join(', ')} (default by --cpu)` },
  { name: 'memory', value: 'MIB', help: 'guest memory in MiB (default 16)' },
  { name: 'profile', value: 'NAME', help: `processor: ${PROFILE_NAMES.join(', ')} (default sandybridge)` },
  { name: 'tlb', value: 'ENTRIES', help: 'entries of the architectural TLB (default 64)' },
  { name: 'seed', value: 'N', help: 'seed of every pseudo-random choice (default 1)' },
];

/** The configuration, with `changes` on top. @throws UsageError with the sentences of the configuration's check */
export function machineConfig(options: ParsedOptions, changes: Readonly<Record<string, unknown>> = {}): MachineConfig {
  const fields: Record<string, unknown> = {
    cpu: options.option('cpu'),
    mmu: options.option('mmu'),
    memoryMiB: options.number('memory'),
    profile: options.option('profile'),
    tlbEntries: options.number('tlb'),
    seed: options.number('seed'),
    ...changes,
  };
  const checked = checkConfig(fields);
  if ('problems' in checked) throw new UsageError(checked.problems.join('\n'));
  return checked.config;
}
