/** How the end of a run reaches the client: the stopped event with its cause, or the end of the guest. */
import type { Session } from '../debugger/session';
import type { Stop } from '../debugger/stop';
import type { AdapterContext } from './handler';

/** Lets the session run in the background and reports where it stops. */
export function resume(context: AdapterContext, session: Session, run: (session: Session) => Promise<Stop>): void {
  run(session).then(
    (stop) => report(context, stop),
    (error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      context.output(`The simulator failed: ${message} Please report this.\n`, 'important');
      context.event('terminated');
    },
  );
}

function report(context: AdapterContext, stop: Stop): void {
  switch (stop.kind) {
    case 'abandoned':
      return;
    case 'ended':
      context.output(`${stop.description}\n`, stop.exitCode === 0 ? 'console' : 'important');
      context.event('exited', { exitCode: stop.exitCode });
      context.event('terminated');
      return;
    case 'stopped':
      context.event('stopped', {
        reason: stop.reason,
        description: stop.description,
        ...(stop.text === undefined ? {} : { text: stop.text }),
        threadId: 1,
        allThreadsStopped: true,
        hitBreakpointIds: stop.breakpointIds,
      });
  }
}
