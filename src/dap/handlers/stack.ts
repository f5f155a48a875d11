/** The call stack, from the innermost guest frame down through the privilege levels. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { hex } from '../../debugger/addresses';
import { qualificationText } from '../../debugger/exit-text';
import type { Session } from '../../debugger/session';
import { exitReasonName } from '../../x86/vmx/exit-reasons';
import { type AdapterContext, type HandlerGroup, RequestError } from '../handler';
import { source } from './breakpoints';
import { HANDLER_FRAME } from './variables';

/** Why the guest has lost the processor: the newest exit. */
function exitText(session: Session): string {
  const [exit] = session.machine.events.newest(1, (event) => event.kind === 'exit');
  if (exit === undefined) return 'the VMM enters the guest for the first time';
  const reason = exit.fields['reason'] ?? 0;
  const detail = qualificationText(exit);
  return `VM exit ${reason} ${exitReasonName(reason)}${detail === '' ? '' : `: ${detail}`}`;
}

/** The handler's step on top of the guest, with the exit as a line between them. */
function vmmFrames(context: AdapterContext, session: Session): DebugProtocol.StackFrame[] {
  const step = session.handlerStep;
  if (step === undefined) return [];
  const place = context.vmmSource.placeOf(step);
  const text =
    place === undefined
      ? {}
      : {
          source: {
            name: place.file.path.split('/').pop() ?? place.file.path,
            path: place.file.path,
            sourceReference: place.reference,
            origin: 'the VMM',
          },
        };
  const line = place === undefined ? 0 : context.lineToClient(place.line);
  return [
    {
      id: HANDLER_FRAME,
      name: `${step.handler}: ${step.step}  (VMM)`,
      line,
      column: place === undefined ? 0 : 1,
      ...text,
    },
    { id: HANDLER_FRAME + 1, name: exitText(session), line: 0, column: 0, presentationHint: 'label' },
  ];
}

export const stackRequests: HandlerGroup = {
  capabilities: { supportsDelayedStackTraceLoading: true },
  requests: {
    stackTrace: (context, args) => {
      const session = context.stopped();
      const vmm = vmmFrames(context, session);
      const guest = session.stack().map((frame, id): DebugProtocol.StackFrame => {
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
      const frames = [...vmm, ...guest];
      const start = args.startFrame ?? 0;
      const end = args.levels === undefined || args.levels === 0 ? frames.length : start + args.levels;
      return { stackFrames: frames.slice(start, end), totalFrames: frames.length };
    },

    source: (context, args) => {
      const file = context.vmmSource.file(args.source?.sourceReference ?? args.sourceReference);
      if (file === undefined) throw new RequestError('This source is not among those of the VMM.');
      // No mimeType: by its name alone the workbench knows the file for TypeScript.
      return { content: file.text };
    },
  },
};
