/** The language server's worker: the same bundle for every host; files come from the client. */
import {
  AbstractMessageReader,
  AbstractMessageWriter,
  createConnection,
  type DataCallback,
  type Disposable,
  type Message,
} from 'vscode-languageserver/browser';
import { startLanguageServer } from '../language/server';
import { loadIcedSync } from '../x86/iced-module';
import { type LanguageInit, READ_FILE_REQUEST, type ReadFileAnswer } from './language-messages';
import { openWorkerScope, type WorkerScope } from './worker-scope';

/** Messages that arrive before the server listens wait here. */
class ScopeReader extends AbstractMessageReader {
  private readonly waiting: Message[] = [];
  private callback: DataCallback | undefined;

  receive(message: Message): void {
    if (this.callback === undefined) this.waiting.push(message);
    else this.callback(message);
  }

  listen(callback: DataCallback): Disposable {
    this.callback = callback;
    for (const message of this.waiting.splice(0)) callback(message);
    return { dispose: () => undefined };
  }
}

class ScopeWriter extends AbstractMessageWriter {
  constructor(private readonly scope: WorkerScope) {
    super();
  }

  async write(message: Message): Promise<void> {
    this.scope.post(message);
  }

  end(): void {}
}

openWorkerScope((scope) => {
  const reader = new ScopeReader();
  let started = false;
  scope.onMessage((message) => {
    if (started) {
      // After the first message, the client posts nothing but JSON-RPC.
      reader.receive(message as Message);
      return;
    }
    started = true;
    // The first message is the LanguageInit, see language.ts.
    const { icedWasm } = message as LanguageInit;
    loadIcedSync(icedWasm);
    const connection = createConnection(reader, new ScopeWriter(scope));
    startLanguageServer(connection, async (uri) => {
      const answer: ReadFileAnswer = await connection.sendRequest(READ_FILE_REQUEST, { uri });
      return answer.bytes === undefined ? undefined : Uint8Array.from(answer.bytes);
    });
  });
});
