/** The life of a session: launch, configurationDone, restart, terminate, disconnect. */
import { type LaunchProblem, Session } from '../../debugger/session';
import { type AdapterContext, type HandlerGroup, RequestError } from '../handler';
import { type LaunchArguments, readLaunchArguments } from '../launch-arguments';
import { resume } from '../stops';

/** Arguments of the running session, kept for `configurationDone` and `restart`. */
const launched = new WeakMap<Session, LaunchArguments>();

async function start(context: AdapterContext, input: unknown): Promise<Session> {
  const args = readLaunchArguments(input);
  if ('problems' in args) throw new RequestError(args.problems.join('\n'), true);
  return startWith(context, args);
}

async function startWith(context: AdapterContext, args: LaunchArguments): Promise<Session> {
  const made = await Session.launch({
    program: args.program,
    machine: args.machine,
    files: context.files,
    yieldToHost: () => context.yieldToHost(),
    skipInterrupts: args.skipInterrupts,
    ...(context.interpreter === undefined ? {} : { interpreter: context.interpreter }),
  });
  if (!(made instanceof Session)) throw new RequestError(problemText(made), true);
  for (const warning of made.warnings) context.output(`${warning}\n`, 'console');
  made.onSerial((text) => {
    context.customEvent('ringside/serial', { port: 'COM1', text });
    if (args.serial === 'output') context.output(text, 'stdout');
  });
  made.onMessage((line) => context.output(`${line}\n`, 'console'));
  launched.set(made, args);
  // A second launch takes the place of a guest that may still run.
  await leave(context);
  context.setSession(made);
  return made;
}

/** One message: the first problem in full, and how many more there are. */
function problemText(problem: LaunchProblem): string {
  const [first = 'The program could not be loaded.', ...more] = problem.problems;
  return more.length === 0 ? first : `${first}\n(and ${more.length} more)\n${more.slice(0, 4).join('\n')}`;
}

/** Ends the guest, if there is one: a client may leave before a launch, and ask for the end of what has just ended. */
async function leave(context: AdapterContext): Promise<void> {
  try {
    await context.session().halt();
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
  }
  context.setSession(undefined);
}

export const launchRequests: HandlerGroup = {
  capabilities: { supportTerminateDebuggee: true },
  requests: {
    launch: async (context, args) => {
      await start(context, args);
      context.afterResponse(() => context.event('initialized'));
      return undefined;
    },

    configurationDone: (context) => {
      const session = context.session();
      const args = launched.get(session);
      const halt = args?.stopOnEntry !== false && args?.noDebug !== true;
      context.afterResponse(() => {
        if (args?.noDebug === true) session.ignoreBreakpoints();
        if (halt) {
          const body = { reason: 'entry', description: 'Paused at the entry', threadId: 1, allThreadsStopped: true };
          context.event('stopped', body);
        } else resume(context, session, (s) => s.continue());
      });
      return undefined;
    },

    restart: async (context, args) => {
      const old = context.session();
      const kept = launched.get(old);
      await old.halt();
      // A client may send a changed configuration along with the restart.
      const session =
        args.arguments !== undefined || kept === undefined
          ? await start(context, args.arguments)
          : await startWith(context, kept);
      session.takeBreakpointsFrom(old);
      const stopOnEntry = launched.get(session)?.stopOnEntry !== false;
      context.afterResponse(() => {
        if (stopOnEntry) {
          const body = { reason: 'entry', description: 'Paused at the entry', threadId: 1, allThreadsStopped: true };
          context.event('stopped', body);
        } else resume(context, session, (s) => s.continue());
      });
      return undefined;
    },

    terminate: async (context) => {
      await leave(context);
      context.afterResponse(() => context.event('terminated'));
      return undefined;
    },

    disconnect: async (context) => {
      await leave(context);
      return undefined;
    },
  },
};
