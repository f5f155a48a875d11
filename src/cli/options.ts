/** Command lines: flags with values, switches and files, read by a table, with a sentence for each mistake. */

export interface OptionInfo {
  /** Long name without dashes. */
  readonly name: string;
  /** One-letter form without the dash. */
  readonly short?: string;
  /** What stands for the value in the help; a switch without. */
  readonly value?: string;
  readonly help: string;
}

/** Bad usage: printed with a hint, exit status 2. */
export class UsageError extends Error {}

export interface ParsedOptions {
  readonly files: readonly string[];
  /** The value of an option, `''` for a switch that is there, undefined for what is not. */
  option(name: string): string | undefined;
  /** @throws UsageError unless the option is absent or a whole number in the range, decimal or 0x hexadecimal */
  number(name: string, least?: number, most?: number): number | undefined;
}

export function parseOptions(args: readonly string[], known: readonly OptionInfo[]): ParsedOptions {
  const files: string[] = [];
  const values = new Map<string, string>();
  let onlyFiles = false;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? '';
    if (onlyFiles || !arg.startsWith('-') || arg === '-') {
      files.push(arg);
      continue;
    }
    if (arg === '--') {
      onlyFiles = true;
      continue;
    }
    const [spelled, inline] = split(arg);
    const info = known.find((o) => spelled === `--${o.name}` || (o.short !== undefined && spelled === `-${o.short}`));
    if (info === undefined) throw new UsageError(`There is no option ${spelled}.`);
    if (info.value === undefined) {
      if (inline !== undefined) throw new UsageError(`The option ${spelled} takes no value.`);
      values.set(info.name, '');
      continue;
    }
    const value = inline ?? args[++i];
    if (value === undefined) throw new UsageError(`The option ${spelled} wants a value: ${spelled} ${info.value}.`);
    values.set(info.name, value);
  }
  return {
    files,
    option: (name) => values.get(name),
    number: (name, least = 0, most = Number.MAX_SAFE_INTEGER) => {
      const text = values.get(name);
      if (text === undefined) return undefined;
      if (!/^(0x[0-9a-f]+|[0-9]+)$/i.test(text) || !Number.isSafeInteger(Number(text))) {
        throw new UsageError(`--${name} is "${text}"; it must be a whole number.`);
      }
      const value = Number(text);
      if (value < least || value > most) {
        throw new UsageError(`--${name} is ${text}; it must be a whole number from ${least} to ${most}.`);
      }
      return value;
    },
  };
}

function split(arg: string): [string, string | undefined] {
  const at = arg.indexOf('=');
  return at < 0 ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)];
}

export function optionHelp(options: readonly OptionInfo[]): string {
  const rows = options.map((o): [string, string] => [
    `${o.short === undefined ? '    ' : `-${o.short}, `}--${o.name}${o.value === undefined ? '' : ` ${o.value}`}`,
    o.help,
  ]);
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
}
