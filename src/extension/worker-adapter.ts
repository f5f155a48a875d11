/**
 * The inline debug adapter: forwards Debug Adapter Protocol messages to a session worker and back. When the worker dies or
 * runs out of memory, the session ends with one message, every open request is answered, and the next F5 works.
 */
import type { DebugProtocol } from '@vscode/debugprotocol';
import * as vscode from 'vscode';
import type { HostMessage, WorkerMessage } from '../dap/worker-messages';
import { sourceUri } from './go-to';
import type { WorkerPort } from './worker-port';

export class WorkerAdapter implements vscode.DebugAdapter {
  private readonly sent = new vscode.EventEmitter<vscode.DebugProtocolMessage>();
  private readonly open = new Map<number, DebugProtocol.Request>();
  private port: WorkerPort | undefined;
  private ended = false;
  private sequence = 1_000_000;
  readonly onDidSendMessage = this.sent.event;

  /**
   * @param started the worker, being started
   * @param init the first message that the worker needs
   */
  constructor(started: Promise<WorkerPort>, init: Promise<HostMessage>) {
    this.waiting = this.start(started, init);
  }

  private readonly waiting: Promise<void>;

  private async start(started: Promise<WorkerPort>, init: Promise<HostMessage>): Promise<void> {
    try {
      const port = await started;
      port.onDeath((reason) => this.die(`The simulator stopped: ${reason} Press F5 to start again.`));
      // The worker posts nothing but the messages of worker-messages.ts.
      port.onMessage((message) => void this.received(message as WorkerMessage));
      port.post(await init);
      this.port = port;
      if (this.ended) port.terminate();
    } catch (error) {
      this.die(`The simulator could not start: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  handleMessage(message: vscode.DebugProtocolMessage): void {
    // VS Code hands over protocol messages as the Debug Adapter Protocol defines them.
    const protocol = message as DebugProtocol.ProtocolMessage;
    if (protocol.type === 'request') this.open.set(protocol.seq, protocol as DebugProtocol.Request);
    if (this.ended) {
      this.answerOpen('The session has ended.');
      return;
    }
    void this.waiting.then(() => this.port?.post({ kind: 'dap', message: protocol } satisfies HostMessage));
  }

  private async received(message: WorkerMessage): Promise<void> {
    switch (message.kind) {
      case 'ready':
        break;
      case 'dap':
        if (message.message.type === 'response')
          this.open.delete((message.message as DebugProtocol.Response).request_seq);
        this.sent.fire(message.message);
        break;
      case 'readFile': {
        const bytes = await readFile(message.path);
        this.port?.post({
          kind: 'file',
          id: message.id,
          ...(bytes === undefined ? {} : { bytes }),
        } satisfies HostMessage);
        break;
      }
      case 'fatal':
        this.die(message.message);
        break;
    }
  }

  private die(reason: string): void {
    if (this.ended) return;
    this.ended = true;
    this.answerOpen(reason);
    this.event('output', { category: 'important', output: `${reason}\n` });
    this.event('terminated', {});
    this.port?.terminate();
  }

  private answerOpen(reason: string): void {
    for (const request of this.open.values()) {
      const leaving = request.command === 'disconnect' || request.command === 'terminate';
      this.sent.fire({
        type: 'response',
        seq: this.sequence++,
        request_seq: request.seq,
        command: request.command,
        success: leaving,
        ...(leaving ? {} : { message: reason }),
      });
    }
    this.open.clear();
  }

  private event(event: string, body: unknown): void {
    this.sent.fire({ type: 'event', seq: this.sequence++, event, body });
  }

  dispose(): void {
    this.ended = true;
    this.port?.terminate();
    this.sent.dispose();
  }
}

async function readFile(path: string): Promise<Uint8Array | undefined> {
  try {
    return await vscode.workspace.fs.readFile(sourceUri(path));
  } catch {
    return undefined;
  }
}
