/** `ringside dap`: the debug adapter on standard input and output, or on a TCP port of this computer. */
import { createServer } from 'node:net';
import { RingsideAdapter } from '../dap/adapter';
import { type Command, type CommandContext, ExitStatus } from './command';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Serves one client; resolves when it has left. */
function serve(context: CommandContext, input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Promise<void> {
  return new Promise((resolve) => {
    const { files, interpreter, vmmSource } = context;
    const adapter = new RingsideAdapter({
      files,
      yieldToHost: nextTurn,
      ended: () => resolve(),
      ...(interpreter === undefined ? {} : { interpreter }),
      ...(vmmSource === undefined ? {} : { vmmSource }),
    });
    adapter.setRunAsServer(true);
    // A client that goes without a word ends the session as well.
    adapter.on('close', () => resolve());
    adapter.start(input, output);
  });
}

export const dapCommand: Command = {
  name: 'dap',
  operands: '',
  help: 'speak the Debug Adapter Protocol, for editors',
  options: [
    { name: 'port', value: 'N', help: 'listen on this TCP port of 127.0.0.1 instead of standard input and output' },
  ],
  async run(context, options) {
    const port = options.number('port', 1, 65_535);
    if (port === undefined) {
      await serve(context, process.stdin, process.stdout);
      return ExitStatus.ok;
    }
    return new Promise<number>((resolve) => {
      const server = createServer((socket) => {
        socket.on('error', () => socket.destroy());
        void serve(context, socket, socket).then(() => socket.end());
      });
      server.on('error', (error) => {
        context.err(`Port ${port} cannot be used: ${error.message}\n`);
        resolve(ExitStatus.usage);
      });
      server.listen(port, '127.0.0.1', () => context.err(`Listening on 127.0.0.1:${port}.\n`));
    });
  },
};
