/** What one group of requests looks like, and what its handlers may use of the adapter. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Session } from '../debugger/session';
import type { SourceFiles } from '../debugger/source-files';
import type { VmmSource } from '../debugger/vmm-source';
import type { CustomEvents } from './custom-requests';
import type { DapRequests, RequestName } from './requests';

/** A request that cannot be fulfilled: its message goes to the client as the error of that response. */
export class RequestError extends Error {
  /** @param showUser the client shall show the message to the person (launch problems) */
  constructor(
    message: string,
    readonly showUser = false,
  ) {
    super(message);
  }
}

/** What the adapter offers to every group. */
export interface AdapterContext {
  readonly files: SourceFiles;
  readonly interpreter: WebAssembly.Module | undefined;
  readonly vmmSource: VmmSource;
  /** Lets messages in between two slices of guest execution. */
  yieldToHost(): Promise<void>;
  /** The session, running or not. @throws RequestError before a launch */
  session(): Session;
  /** The session at a stop. @throws RequestError when there is none or it runs */
  stopped(): Session;
  setSession(session: Session | undefined): void;
  /** True after `initialize` with one-based lines, the default. */
  lineToClient(line: number): number;
  lineFromClient(line: number): number;
  event(name: string, body?: object): void;
  customEvent<N extends keyof CustomEvents>(name: N, body: CustomEvents[N]): void;
  /** A line in the client's console. */
  output(text: string, category: 'console' | 'important' | 'stdout' | 'stderr'): void;
  /** Sends the response of the request being handled now and goes on; for requests that act after their response. */
  afterResponse(action: () => void): void;
}

export type Handlers = {
  readonly [Name in RequestName]?: (
    context: AdapterContext,
    args: DapRequests[Name]['arguments'],
  ) => DapRequests[Name]['body'] | Promise<DapRequests[Name]['body']>;
};

/** Capabilities that follow from a request being handled; see capabilities.ts for those. */
export interface HandlerGroup {
  readonly requests: Handlers;
  /** Only what cannot be derived from the presence of a request. */
  readonly capabilities?: DebugProtocol.Capabilities;
}
