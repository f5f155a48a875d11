/** The arguments of a launch request: what is Ringside's own, with the machine's fields checked by the machine's own check. */
import { checkConfig, CONFIG_FIELDS, type MachineConfig } from '../machine/config';

export interface LaunchArguments {
  /** Absolute path or URI of an assembly source or a flat image. */
  readonly program: string;
  readonly machine: MachineConfig;
  readonly stopOnEntry: boolean;
  readonly noDebug: boolean;
  /** `output`: serial text goes to the debug console; `terminal`: the client shows `ringside/serial` events itself. */
  readonly serial: 'output' | 'terminal';
  /** While stepping, hardware interrupts run to their end unseen. */
  readonly skipInterrupts: boolean;
}

/** Fields that every launch configuration may hold and that are not the adapter's. */
const CLIENT_FIELDS =
  /^(_.*|type|name|request|presentation|preLaunchTask|postDebugTask|internalConsoleOptions|debugServer|serverReadyAction|restart|suppress.*|console|order|windows|linux|osx|cwd|env)$/;

/** Reads launch arguments; each problem is a sentence that names the field and the fix. */
export function readLaunchArguments(input: unknown): LaunchArguments | { readonly problems: readonly string[] } {
  if (typeof input !== 'object' || input === null) return { problems: ['The launch request has no arguments.'] };
  // Any object is a record of unknown fields.
  const fields = input as Readonly<Record<string, unknown>>;
  const problems: string[] = [];
  const own: Record<string, unknown> = {};
  const machine: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (OWN_FIELDS.includes(name)) own[name] = value;
    else if (CONFIG_FIELDS.includes(name)) machine[name] = value;
    else if (!CLIENT_FIELDS.test(name)) {
      problems.push(
        `"${name}" is not known in a launch configuration; the fields are ${[...OWN_FIELDS, ...CONFIG_FIELDS].join(', ')}.`,
      );
    }
  }
  const { program, serial = 'output' } = own;
  if (typeof program !== 'string' || program === '') {
    problems.push(
      'The launch configuration names no "program": set it to the path of the guest\'s assembly file or image.',
    );
  }
  if (serial !== 'output' && serial !== 'terminal') {
    problems.push(`"serial" is ${JSON.stringify(serial)}; it must be "output" or "terminal".`);
  }
  const flag = (name: string, otherwise: boolean): boolean => {
    const value = own[name] ?? otherwise;
    if (typeof value === 'boolean') return value;
    problems.push(`"${name}" is ${JSON.stringify(value)}; it must be true or false.`);
    return otherwise;
  };
  const stopOnEntry = flag('stopOnEntry', true);
  const noDebug = flag('noDebug', false);
  const skipInterrupts = flag('skipInterrupts', true);
  const checked = checkConfig(machine);
  if ('problems' in checked) problems.push(...checked.problems);
  if (problems.length > 0 || 'problems' in checked || typeof program !== 'string') return { problems };
  return {
    program,
    machine: checked.config,
    stopOnEntry,
    noDebug,
    serial: serial === 'terminal' ? 'terminal' : 'output',
    skipInterrupts,
  };
}

const OWN_FIELDS: readonly string[] = ['program', 'stopOnEntry', 'noDebug', 'serial', 'skipInterrupts'];
