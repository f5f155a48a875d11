/** The call stack, from the innermost guest frame down through the privilege levels. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { hex } from '../../debugger/addresses';
import type { HandlerGroup } from '../handler';
import { source } from './breakpoints';

export const stackRequests: HandlerGroup = {
  capabilities: { supportsDelayedStackTraceLoading: true },
  requests: {
    stackTrace: (context, args) => {
      const session = context.stopped();
      const frames = session.stack();
      const start = args.startFrame ?? 0;
      const end = args.levels === undefined || args.levels === 0 ? frames.length : start + args.levels;
      const stackFrames = frames.slice(start, end).map((frame, i): DebugProtocol.StackFrame => {
        const id = start + i;
        if (frame.kind === 'gate') return { id, name: frame.name, line: 0, column: 0, presentationHint: 'label' };
        const line = session.lineAt(frame.lookup);
        return {
          id,
          name: `${frame.name}  (ring ${frame.ring})`,
          line: line === undefined ? 0 : context.lineToClient(line.line),
          column: line === undefined ? 0 : 1,
          instructionPointerReference: hex(frame.address),
          ...(line === undefined ? {} : { source: source(line.path) }),
        };
      });
      return { stackFrames, totalFrames: frames.length };
    },
  },
};
