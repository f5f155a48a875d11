/** The debug session that the views follow: which it is, whether it is stopped, and typed custom requests to it. */
import * as vscode from 'vscode';
import type { CustomRequestName, CustomRequests } from '../dap/custom-requests';

export const DEBUG_TYPE = 'ringside';

/** Requests after which the state on screen is from before; the first two may run for long. */
const RUNNING_REQUESTS = ['continue', 'reverseContinue', 'next', 'stepIn', 'stepOut', 'stepBack', 'restart', 'goto'];
const LONG_REQUESTS = ['continue', 'reverseContinue'];

interface AdapterMessage {
  readonly type: string;
  readonly command?: string;
  readonly event?: string;
  readonly body?: unknown;
}

/** Follows the active Ringside session and tells when its state changed. */
export class LiveSession implements vscode.Disposable {
  private session: vscode.DebugSession | undefined;
  private stoppedNow = false;
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly events = new vscode.EventEmitter<{ session: vscode.DebugSession; event: string; body: unknown }>();
  private readonly disposables: vscode.Disposable[];

  /** The session started, stopped, ran on, or ended. */
  readonly onDidChange = this.changed.event;
  /** Every event that the adapter of any Ringside session sends. */
  readonly onDidReceiveEvent = this.events.event;

  constructor() {
    this.disposables = [
      this.changed,
      this.events,
      vscode.debug.registerDebugAdapterTrackerFactory(DEBUG_TYPE, {
        createDebugAdapterTracker: (session) => ({
          onWillReceiveMessage: (message: AdapterMessage) => this.asked(session, message),
          onDidSendMessage: (message: AdapterMessage) => this.received(session, message),
        }),
      }),
      vscode.debug.onDidChangeActiveDebugSession((session) => {
        if (session?.type === DEBUG_TYPE && session !== this.session) this.follow(session, this.stoppedNow);
      }),
      vscode.debug.onDidTerminateDebugSession((session) => {
        if (session === this.session) this.follow(undefined, false);
      }),
    ];
  }

  private received(session: vscode.DebugSession, message: AdapterMessage): void {
    if (message.type !== 'event' || message.event === undefined) return;
    this.events.fire({ session, event: message.event, body: message.body });
    switch (message.event) {
      case 'stopped':
      case 'invalidated':
        this.follow(session, true);
        break;
      case 'continued':
        this.follow(session, false);
        break;
      case 'terminated':
        if (session === this.session) this.follow(undefined, false);
        break;
    }
  }

  private asked(session: vscode.DebugSession, message: AdapterMessage): void {
    if (message.type !== 'request' || message.command === undefined || session !== this.session) return;
    if (LONG_REQUESTS.includes(message.command)) this.follow(session, false);
    else if (RUNNING_REQUESTS.includes(message.command)) this.stoppedNow = false;
  }

  private follow(session: vscode.DebugSession | undefined, stopped: boolean): void {
    this.session = session;
    this.stoppedNow = stopped;
    this.changed.fire();
  }

  get active(): vscode.DebugSession | undefined {
    return this.session;
  }

  get stopped(): boolean {
    return this.stoppedNow && this.session !== undefined;
  }

  /** Asks the adapter; undefined when there is no session, or it ended meanwhile. */
  async request<N extends CustomRequestName>(
    name: N,
    args: CustomRequests[N]['arguments'],
  ): Promise<CustomRequests[N]['body'] | undefined> {
    const session = this.session;
    if (session === undefined) return undefined;
    try {
      // The adapter answers with the body that custom-requests.ts declares for this name.
      return (await session.customRequest(name, args)) as CustomRequests[N]['body'];
    } catch (error) {
      if (this.session === session) throw error;
      return undefined;
    }
  }

  dispose(): void {
    for (const disposable of this.disposables) disposable.dispose();
  }
}
