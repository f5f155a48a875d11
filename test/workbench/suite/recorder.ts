// Listens to the messages between VS Code and the adapter, so that a test can wait for what the adapter says.
import type { DebugProtocol } from '@vscode/debugprotocol';
import * as vscode from 'vscode';

interface Heard {
  readonly message: DebugProtocol.ProtocolMessage;
  /** performance.now() when it passed. */
  readonly at: number;
  readonly session: vscode.DebugSession;
}

/** A stop with the innermost frame. */
interface Stop {
  readonly reason: string;
  /** What the adapter says about it to the user. */
  readonly said: string;
  readonly at: number;
  readonly session: vscode.DebugSession;
  readonly frame: DebugProtocol.StackFrame;
}

const PATIENCE_MS = 15_000;
const SILENCE_MS = 60;

/** Waits until `look` finds something; fails with what was awaited. */
export async function waitFor<T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
  ms = PATIENCE_MS,
): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`Waited ${ms} ms in vain for ${what}.`);
    await new Promise((next) => setTimeout(next, 5));
  }
}

/** A message in a word or two: `next`, `next (refused)`, `stopped`. */
function nameOf(message: DebugProtocol.ProtocolMessage): string {
  const { command, event, success } = message as Partial<DebugProtocol.Response & DebugProtocol.Event>;
  return `${command ?? event ?? message.type}${success === false ? ' (refused)' : ''}`;
}

export class Recorder implements vscode.Disposable {
  private heard: Heard[] = [];
  private readonly tail: string[] = [];
  /** Sessions that the workbench has started and not yet let go. */
  readonly living = new Set<string>();
  private readonly registrations: vscode.Disposable[];
  private unanswered = 0;
  private lastPassed = 0;

  constructor() {
    const tracker = vscode.debug.registerDebugAdapterTrackerFactory('ringside', {
      createDebugAdapterTracker: (session) => ({
        onWillReceiveMessage: (message: DebugProtocol.ProtocolMessage) => {
          this.tail.push(`> ${nameOf(message)}`);
          this.passed(message, 1);
        },
        onDidSendMessage: (message: DebugProtocol.ProtocolMessage) => {
          this.tail.push(`< ${nameOf(message)}`);
          this.passed(message, -1);
          this.heard.push({ message, at: performance.now(), session });
        },
      }),
    });
    const ended = vscode.debug.onDidTerminateDebugSession((session) => {
      this.living.delete(session.id);
      this.unanswered = 0;
    });
    const started = vscode.debug.onDidStartDebugSession((session) => void this.living.add(session.id));
    this.registrations = [tracker, started, ended];
  }

  private passed(message: DebugProtocol.ProtocolMessage, unanswered: number): void {
    if (message.type !== 'event') this.unanswered += unanswered;
    this.lastPassed = performance.now();
  }

  /** Waits until every request is answered and the line has been silent for a moment. */
  async quiet(): Promise<void> {
    await waitFor('the end of the traffic with the adapter', () =>
      this.unanswered === 0 && performance.now() - this.lastPassed > SILENCE_MS ? true : undefined,
    );
  }

  /** The latest messages in both directions, for a failed test. */
  last(count: number): string {
    return this.tail.slice(-count).join('  ');
  }

  /** Forgets what was said so far. */
  clear(): void {
    this.heard = [];
  }

  private events(name: string): { body: unknown; at: number; session: vscode.DebugSession }[] {
    return this.heard.flatMap(({ message, at, session }) => {
      if (message.type !== 'event') return [];
      const event = message as DebugProtocol.Event; // its type says so
      return event.event === name ? [{ body: event.body as unknown, at, session }] : [];
    });
  }

  /** The first stop since the last clear(), with the innermost frame. */
  async stop(): Promise<Stop> {
    const stopped = await waitFor('a `stopped` event', () => this.events('stopped')[0] ?? this.refusal());
    // The body of this event as the protocol defines it.
    const body = stopped.body as DebugProtocol.StoppedEvent['body'];
    const trace = (await stopped.session.customRequest('stackTrace', {
      threadId: body.threadId ?? 1,
      startFrame: 0,
      levels: 20,
    })) as DebugProtocol.StackTraceResponse['body'];
    const frame = trace.stackFrames[0];
    if (frame === undefined) throw new Error('The adapter stopped without a stack frame.');
    // A session that ends before the workbench has taken its stop up would stay the one that debug commands go to.
    await waitFor('the workbench to take the stop up', () => {
      const item = vscode.debug.activeStackItem;
      return item !== undefined && item.session.id === stopped.session.id && 'frameId' in item ? true : undefined;
    });
    const said = `${body.description ?? ''} ${body.text ?? ''}`;
    return { reason: body.reason, said, at: stopped.at, session: stopped.session, frame };
  }

  /** A session that failed instead of doing what the caller waits for: its reason becomes the test's failure. */
  private refusal(): undefined {
    const refused = this.refusals()[0];
    if (refused !== undefined && /^(initialize|launch|configurationDone|continue|next|stepIn)$/.test(refused.command))
      throw new Error(`The adapter refused ${refused.command}: ${refused.message}`);
    return undefined;
  }

  async terminated(ms = PATIENCE_MS): Promise<void> {
    await waitFor('the `terminated` event', () => this.events('terminated')[0], ms);
  }

  /** What the guest sent through its serial port. */
  serial(): string {
    return this.events('ringside/serial')
      .map(({ body }) => (body as { text: string }).text)
      .join('');
  }

  /** What the debug console shows. */
  output(): string {
    return this.events('output')
      .map(({ body }) => (body as DebugProtocol.OutputEvent['body']).output)
      .join('');
  }

  /** Requests that the adapter answered with a failure, and why. */
  refusals(): { command: string; message: string }[] {
    return this.heard.flatMap(({ message }) => {
      if (message.type !== 'response') return [];
      const response = message as DebugProtocol.Response; // its type says so
      if (response.success) return [];
      // An ErrorResponse carries its sentence in body.error, a plain one in message.
      const error = (response.body as DebugProtocol.ErrorResponse['body'] | undefined)?.error;
      const text = error?.format.replace(/\{(\w+)\}/g, (_, name: string) => error.variables?.[name] ?? '');
      return [{ command: response.command, message: text ?? response.message ?? '' }];
    });
  }

  dispose(): void {
    for (const registration of this.registrations) registration.dispose();
  }
}
