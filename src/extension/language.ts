/** The language client: starts the language server in a worker and reads files for it. */
import * as vscode from 'vscode';
import type { BaseLanguageClient, LanguageClientOptions, MessageTransports } from 'vscode-languageclient';
import { READ_FILE_REQUEST } from './language-messages';
import { type StartWorker, transportsOver } from './worker-port';

export type MakeLanguageClient = (
  transports: () => Promise<MessageTransports>,
  options: LanguageClientOptions,
) => BaseLanguageClient;

export async function startLanguageClient(
  makeClient: MakeLanguageClient,
  startWorker: StartWorker,
  icedWasm: () => Promise<Uint8Array>,
): Promise<vscode.Disposable> {
  const client = makeClient(
    async () => {
      const port = await startWorker('language-server.js');
      port.post({ kind: 'init', icedWasm: await icedWasm() });
      return transportsOver(port);
    },
    { documentSelector: [{ language: 'ringside-asm' }], progressOnInitialization: false },
  );
  client.onRequest(READ_FILE_REQUEST, async ({ uri }: { uri: string }) => {
    try {
      const bytes = await vscode.workspace.fs.readFile(vscode.Uri.parse(uri, true));
      return { bytes: [...bytes] };
    } catch {
      return {};
    }
  });
  await client.start();
  return { dispose: () => void client.stop() };
}
