/** What a person types into the guest's serial port. */
import type { HandlerGroup } from '../handler';

export const serialRequests: HandlerGroup = {
  requests: {
    'ringside/serialInput': (context, args) => {
      context.session().typeSerial(args.text);
      return {};
    },
  },
};
