/** Going back: step back and reverse continue, of the whole machine. */
import type { HandlerGroup } from '../handler';
import { resume } from '../stops';

export const reverseRequests: HandlerGroup = {
  requests: {
    stepBack: (context) => {
      const session = context.stopped();
      context.afterResponse(() => resume(context, session, (s) => s.stepBack()));
      return undefined;
    },

    reverseContinue: (context) => {
      const session = context.stopped();
      context.afterResponse(() => resume(context, session, (s) => s.reverseContinue()));
      return undefined;
    },
  },
};
