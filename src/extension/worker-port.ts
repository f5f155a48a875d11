/** A worker as this extension sees it, the same over worker_threads and web Workers, and the message transport over it. */
import {
  AbstractMessageReader,
  AbstractMessageWriter,
  type DataCallback,
  type Disposable,
  type Message,
  type MessageReader,
  type MessageTransports,
  type MessageWriter,
} from 'vscode-languageclient';

export interface WorkerPort {
  post(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  /** The worker failed or ended by itself; the reason is one sentence. */
  onDeath(listener: (reason: string) => void): void;
  terminate(): void;
}

/** Starts the worker of a bundle file in `dist/`. */
export type StartWorker = (bundle: string) => Promise<WorkerPort>;

class PortReader extends AbstractMessageReader implements MessageReader {
  constructor(private readonly port: WorkerPort) {
    super();
    port.onDeath((reason) => this.fireError(new Error(reason)));
  }

  listen(callback: DataCallback): Disposable {
    // The worker posts nothing but JSON-RPC messages on this port.
    this.port.onMessage((message) => callback(message as Message));
    return { dispose: () => undefined };
  }
}

class PortWriter extends AbstractMessageWriter implements MessageWriter {
  constructor(private readonly port: WorkerPort) {
    super();
  }

  async write(message: Message): Promise<void> {
    this.port.post(message);
  }

  end(): void {}
}

/** JSON-RPC over a worker, for the language client. */
export function transportsOver(port: WorkerPort): MessageTransports {
  return { reader: new PortReader(port), writer: new PortWriter(port) };
}
