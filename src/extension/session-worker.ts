/** The session worker: the debug adapter with the simulator in it, behind the messages of dap/worker-messages.ts. */
import { RingsideAdapter } from '../dap/adapter';
import type { HostMessage, WorkerMessage } from '../dap/worker-messages';
import { loadIced } from '../x86/iced-module';
import { turnMaker } from './next-turn';
import { openWorkerScope, type WorkerScope } from './worker-scope';

/** Files come from the host, one question each. */
class HostFiles {
  private nextId = 1;
  private readonly open = new Map<number, (bytes: Uint8Array | undefined) => void>();

  constructor(private readonly post: (message: WorkerMessage) => void) {}

  read(path: string): Promise<Uint8Array | undefined> {
    const id = this.nextId++;
    return new Promise((resolve) => {
      this.open.set(id, resolve);
      this.post({ kind: 'readFile', id, path });
    });
  }

  answered(id: number, bytes: Uint8Array | undefined): void {
    this.open.get(id)?.(bytes);
    this.open.delete(id);
  }
}

function serve(scope: WorkerScope): void {
  const post = (message: WorkerMessage): void => scope.post(message);
  const files = new HostFiles(post);
  const early: HostMessage[] = [];
  let adapter: RingsideAdapter | undefined;

  const handle = (message: HostMessage): void => {
    switch (message.kind) {
      case 'init':
        void start(message);
        break;
      case 'file':
        files.answered(message.id, message.bytes);
        break;
      case 'dap':
        if (adapter === undefined) early.push(message);
        else adapter.handleMessage(message.message);
    }
  };

  const start = async (init: Extract<HostMessage, { kind: 'init' }>): Promise<void> => {
    try {
      await loadIced(init.icedWasm);
      const interpreter =
        init.interpreterWasm === undefined ? undefined : new WebAssembly.Module(Uint8Array.from(init.interpreterWasm));
      adapter = new RingsideAdapter({
        files,
        yieldToHost: turnMaker(),
        ...(interpreter === undefined ? {} : { interpreter }),
        ...(init.vmmSource === undefined ? {} : { vmmSource: init.vmmSource }),
      });
      adapter.onDidSendMessage((message) => {
        // The base class types its messages as opaque objects; they are what sendEvent and sendResponse were given.
        post({ kind: 'dap', message: message as Extract<WorkerMessage, { kind: 'dap' }>['message'] });
      });
      post({ kind: 'ready' });
      for (const message of early.splice(0)) handle(message);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      post({ kind: 'fatal', message: `The simulator could not start: ${reason}` });
    }
  };

  // The host posts nothing but the messages of worker-messages.ts.
  scope.onMessage((message) => handle(message as HostMessage));
}

openWorkerScope(serve);
