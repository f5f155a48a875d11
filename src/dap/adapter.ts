/**
 * The debug adapter: takes requests from any client of the Debug Adapter Protocol, hands each to the handler of its group,
 * and sends what comes back. It knows no transport, no file system and no VS Code.
 */
import { DebugSession, Event, Response } from '@vscode/debugadapter';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { EditError, type Session } from '../debugger/session';
import { VmmSource } from '../debugger/vmm-source';
import type { SourceFiles } from '../debugger/source-files';
import { readArguments } from './argument-shapes';
import { collectCapabilities } from './capabilities';
import { type AdapterContext, type HandlerGroup, type Handlers, RequestError } from './handler';
import { breakpointRequests } from './handlers/breakpoints';
import { disassemblyRequests } from './handlers/disassembly';
import { evaluateRequests } from './handlers/evaluate';
import { executionRequests } from './handlers/execution';
import { launchRequests } from './handlers/launch';
import { machineViewRequests } from './handlers/machine-view';
import { memoryRequests } from './handlers/memory';
import { pageTableRequests } from './handlers/page-tables';
import { historyRequests } from './handlers/history';
import { reverseRequests } from './handlers/reverse';
import { serialRequests } from './handlers/serial';
import { stackRequests } from './handlers/stack';
import { variableRequests } from './handlers/variables';
import type { DapRequests, RequestName } from './requests';

/** Every group, in the order of a session's life. */
export const HANDLER_GROUPS: readonly HandlerGroup[] = [
  launchRequests,
  breakpointRequests,
  executionRequests,
  stackRequests,
  variableRequests,
  evaluateRequests,
  memoryRequests,
  disassemblyRequests,
  reverseRequests,
  machineViewRequests,
  historyRequests,
  pageTableRequests,
  serialRequests,
];

/** What a host gives to an adapter. */
export interface AdapterHost {
  readonly files: SourceFiles;
  /** The generated interpreter as it ships; made anew when absent. */
  readonly interpreter?: WebAssembly.Module;
  /** The content of `vmm-source.json`: the hypervisor's text, for stepping through its handlers. */
  readonly vmmSource?: string;
  /** Lets messages in: resolves in a later turn of the event loop. */
  yieldToHost(): Promise<void>;
  /** The client has left (`disconnect`); the host may end the process or worker. */
  ended?(): void;
}

const NOT_LAUNCHED = 'No guest is loaded: send a launch request first.';

export class RingsideAdapter extends DebugSession {
  private readonly handlers: Handlers = HANDLER_GROUPS.reduce<Handlers>(
    (all, group) => ({ ...all, ...group.requests }),
    { initialize: (_context, args) => this.initialize(args) },
  );
  private readonly after: (() => void)[] = [];
  private readonly context: AdapterContext;
  private current: Session | undefined;
  private lineBase = 1;
  private host: AdapterHost;

  constructor(host: AdapterHost) {
    super();
    this.host = host;
    // The base class leaves the process on a broken message; a bad message must cost nothing but an answer.
    this.removeAllListeners('error');
    this.on('error', (event: DebugProtocol.Event) =>
      this.console(`A message could not be read: ${String(event.body)}`),
    );
    this.context = {
      files: host.files,
      interpreter: host.interpreter,
      vmmSource: VmmSource.parse(host.vmmSource),
      yieldToHost: () => host.yieldToHost(),
      session: () => {
        if (this.current === undefined) throw new RequestError(NOT_LAUNCHED);
        return this.current;
      },
      stopped: () => {
        if (this.current === undefined) throw new RequestError(NOT_LAUNCHED);
        if (this.current.running) throw new RequestError('The guest is running; pause it first.');
        return this.current;
      },
      setSession: (session) => {
        this.current = session;
      },
      lineToClient: (line) => line - 1 + this.lineBase,
      lineFromClient: (line) => line + 1 - this.lineBase,
      event: (name, body) => this.sendEvent(new Event(name, body)),
      customEvent: (name, body) => this.sendEvent(new Event(name, body)),
      output: (text, category) => this.sendEvent(new Event('output', { category, output: text })),
      afterResponse: (action) => this.after.push(action),
    };
  }

  private console(text: string): void {
    this.context.output(`${text}\n`, 'console');
  }

  private initialize(args: DebugProtocol.InitializeRequestArguments): DebugProtocol.Capabilities {
    this.lineBase = args?.linesStartAt1 === false ? 0 : 1;
    return collectCapabilities(HANDLER_GROUPS);
  }

  private handlerOf(command: string): ((context: AdapterContext, args: unknown) => unknown) | undefined {
    if (!Object.hasOwn(this.handlers, command)) return undefined;
    // A name of the table; the arguments are checked against the shape of that request before the call.
    return this.handlers[command as RequestName] as (context: AdapterContext, args: unknown) => unknown;
  }

  protected override dispatchRequest(request: DebugProtocol.Request): void {
    void this.answer(request);
  }

  private async answer(request: DebugProtocol.Request): Promise<void> {
    const response: DebugProtocol.Response = new Response(request);
    try {
      const handler = this.handlerOf(request.command);
      if (handler === undefined) throw new RequestError(`Ringside does not know the request "${request.command}".`);
      const body = handler(this.context, readArguments(request.command, request.arguments));
      // Handlers that need not wait answer at once, so that responses keep the order of the requests.
      response.body = (body instanceof Promise ? await body : body) as DapRequests[RequestName]['body'];
      this.sendResponse(response);
    } catch (error) {
      this.fail(response, error);
    }
    for (const action of this.after.splice(0)) action();
    if (request.command === 'disconnect') this.host.ended?.();
  }

  private fail(response: DebugProtocol.Response, error: unknown): void {
    const known = error instanceof RequestError || error instanceof EditError;
    const message = error instanceof Error ? error.message : String(error);
    const text = known ? message : `Ringside failed at "${response.command}": ${message} Please report this.`;
    // Braces of a format name variables, so the sentence itself travels as the one variable.
    this.sendErrorResponse(response, {
      id: known ? 1 : 2,
      format: '{_message}',
      variables: { _message: text },
      showUser: error instanceof RequestError ? error.showUser : !known,
    });
  }
}
