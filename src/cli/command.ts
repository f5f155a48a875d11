/** What a command of the `ringside` program is, and what it may use of the process around it. */
import type { SourceFiles } from '../debugger/source-files';
import type { OptionInfo, ParsedOptions } from './options';

/** Exit statuses of every command. */
export const ExitStatus = {
  /** The guest ended as it meant to; the files agree; the answer passes. */
  ok: 0,
  /** It did not. */
  failed: 1,
  /** Bad usage or bad input. */
  usage: 2,
} as const;

export interface CommandContext {
  readonly files: SourceFiles;
  /** The generated interpreter as it ships, where it lies beside the program. */
  readonly interpreter: WebAssembly.Module | undefined;
  /** The hypervisor's text as it ships. */
  readonly vmmSource: string | undefined;
  out(text: string): void;
  err(text: string): void;
  writeFile(path: string, content: Uint8Array | string): Promise<void>;
  /** An absolute path for what the user wrote. */
  absolute(path: string): string;
}

export interface Command {
  readonly name: string;
  /** After the name in the help. */
  readonly operands: string;
  readonly help: string;
  readonly options: readonly OptionInfo[];
  run(context: CommandContext, options: ParsedOptions): Promise<number>;
}
