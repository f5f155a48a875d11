/** `ringside asm`: a source to a flat binary, with a listing on demand. */
import { listing } from '../assembler/index';
import { assembleSource } from '../debugger/program';
import { type Command, ExitStatus } from './command';
import { UsageError } from './options';
import { onlyFile } from './run';

export const asmCommand: Command = {
  name: 'asm',
  operands: 'FILE',
  help: 'assemble a NASM source to a flat binary',
  options: [
    { name: 'output', short: 'o', value: 'FILE', help: 'where the binary goes' },
    { name: 'listing', short: 'l', value: 'FILE', help: 'where a listing goes (- for standard output)' },
  ],
  async run(context, options) {
    const file = onlyFile(options, 'the source to assemble');
    const output = options.option('output');
    const list = options.option('listing');
    if (output === undefined && list === undefined)
      throw new UsageError('Say where the result goes: -o FILE, -l FILE, or both.');
    const assembled = await assembleSource(context.absolute(file), context.files);
    if ('problems' in assembled) {
      for (const problem of assembled.problems) context.err(`${problem}\n`);
      return ExitStatus.usage;
    }
    for (const warning of assembled.warnings) context.err(`${warning}\n`);
    if (output !== undefined) await context.writeFile(context.absolute(output), assembled.image.bytes);
    if (list !== undefined) {
      const text = listing(assembled.image, assembled.sources);
      if (list === '-') context.out(text);
      else await context.writeFile(context.absolute(list), text);
    }
    return ExitStatus.ok;
  },
};
