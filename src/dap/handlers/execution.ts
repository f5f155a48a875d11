/** Running: threads, continue, next, stepIn, stepOut, pause. */
import type { Granularity } from '../../debugger/stepping';
import { type HandlerGroup, RequestError } from '../handler';
import { resume } from '../stops';

function granularity(asked: string | undefined): Granularity {
  return asked === 'instruction' ? 'instruction' : 'line';
}

const STEP_TARGETS = { guest: 1, vmm: 2 } as const;

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

    stepInTargets: (context) => {
      const session = context.stopped();
      const guest = { id: STEP_TARGETS.guest, label: 'Next guest instruction' };
      if (session.config.cpu === 'native') return { targets: [guest] };
      return { targets: [guest, { id: STEP_TARGETS.vmm, label: 'Into the VMM, if the instruction leaves the guest' }] };
    },

    stepIn: (context, args) => {
      const session = context.stopped();
      const into = args.targetId === STEP_TARGETS.vmm;
      context.afterResponse(() =>
        resume(context, session, (s) => (into ? s.stepIntoVmm() : s.stepIn(granularity(args.granularity)))),
      );
      return undefined;
    },

    stepOut: (context) => {
      const session = context.stopped();
      if (session.handlerStep !== undefined) {
        context.afterResponse(() => resume(context, session, (s) => s.finishHandler()));
        return undefined;
      }
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
