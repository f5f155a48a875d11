/** The `ringside` command: run, asm, compare, grade, dap. Exit status 0 as meant, 1 failed, 2 bad usage or input. */
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadIcedSync } from '../x86/iced-module';
import { asmCommand } from './asm';
import { type Command, type CommandContext, ExitStatus } from './command';
import { compareCommand } from './compare';
import { dapCommand } from './dap';
import { gradeCommand } from './grade';
import { optionHelp, parseOptions, UsageError } from './options';
import { runCommand } from './run';

const COMMANDS: readonly Command[] = [runCommand, compareCommand, asmCommand, gradeCommand, dapCommand];

function usage(): string {
  const width = Math.max(...COMMANDS.map((c) => `${c.name} ${c.operands}`.length));
  const rows = COMMANDS.map((c) => `  ringside ${`${c.name} ${c.operands}`.padEnd(width)}  ${c.help}`);
  return `Ringside, a ringside seat to virtualization.\n\n${rows.join('\n')}\n\nringside COMMAND --help shows the options.\n`;
}

/** A file that ships beside the program; undefined where it is missing. */
function shipped(name: string): Uint8Array | undefined {
  try {
    return readFileSync(join(__dirname, name));
  } catch {
    return undefined;
  }
}

function makeContext(): CommandContext {
  const interpreter = shipped('interpreter.wasm');
  const vmmSource = shipped('vmm-source.json');
  return {
    files: {
      read: async (path) => {
        try {
          return await readFile(path.startsWith('file:') ? fileURLToPath(path) : path);
        } catch {
          return undefined;
        }
      },
    },
    interpreter: interpreter === undefined ? undefined : new WebAssembly.Module(Uint8Array.from(interpreter)),
    vmmSource: vmmSource === undefined ? undefined : new TextDecoder().decode(vmmSource),
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    writeFile: async (path, content) => {
      try {
        await writeFile(path, content);
      } catch (error) {
        const [reason] = (error instanceof Error ? error.message : String(error)).split(',');
        throw new UsageError(`"${path}" cannot be written (${reason}); name a file in a folder that you can write to.`);
      }
    },
    absolute: (path) => resolve(path),
  };
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(usage());
    return name === undefined ? ExitStatus.usage : ExitStatus.ok;
  }
  const command = COMMANDS.find((c) => c.name === name);
  if (command === undefined) {
    process.stderr.write(`There is no command "${name}".\n\n${usage()}`);
    return ExitStatus.usage;
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(`ringside ${command.name} ${command.operands}\n\n${optionHelp(command.options)}\n`);
    return ExitStatus.ok;
  }
  try {
    const icedWasm = shipped('iced_x86_bg.wasm');
    if (icedWasm !== undefined) loadIcedSync(Uint8Array.from(icedWasm));
    return await command.run(makeContext(), parseOptions(rest, command.options));
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\nringside ${command.name} --help shows the options.\n`);
      return ExitStatus.usage;
    }
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`Ringside failed: ${reason}\nPlease report this.\n`);
    return ExitStatus.failed;
  }
}

// Who reads the output may go before its end (`ringside run ... | head`).
process.stdout.on('error', () => process.exit(ExitStatus.failed));
void main(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
  // Standard input may still be open (dap); output has to drain first.
  process.stdout.write('', () => process.exit());
});
