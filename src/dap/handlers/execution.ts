/** Running: threads, continue, next, stepIn, stepOut, pause. */
import type { Granularity } from '../../debugger/stepping';
import { type HandlerGroup, RequestError } from '../handler';
import { resume } from '../stops';

function granularity(asked: string | undefined): Granularity {
  return asked === 'instruction' ? 'instruction' : 'line';
}

export const executionRequests: HandlerGroup = {
  capabilities: { supportsSteppingGranularity: true, supportsSingleThreadExecutionRequests: false },
  requests: {
    threads: (context) => ({ threads: [{ id: 1, name: context.session().threadName }] }),

    continue: (context) => {
      const session = context.stopped();
      context.afterResponse(() => resume(context, session, (s) => s.continue()));
      return { allThreadsContinued: true };
    },

    next: (context, args) => {
      const session = context.stopped();
      context.afterResponse(() => resume(context, session, (s) => s.stepOver(granularity(args.granularity))));
      return undefined;
    },

    stepIn: (context, args) => {
      const session = context.stopped();
      context.afterResponse(() => resume(context, session, (s) => s.stepIn(granularity(args.granularity))));
      return undefined;
    },

    stepOut: (context) => {
      const session = context.stopped();
      const { caller } = session;
      if (caller === undefined) throw new RequestError('The stack tells no caller to step out to.');
      context.afterResponse(() => resume(context, session, (s) => s.stepOut(caller)));
      return undefined;
    },

    pause: (context) => {
      context.session().pause();
      return undefined;
    },
  },
};
