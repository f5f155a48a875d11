/** The entry for web hosts: a worker of the browser, started from a Blob because remote web hosts refuse other addresses. */
import * as vscode from 'vscode';
import { LanguageClient } from 'vscode-languageclient/browser';
import { activateRingside, type RingsideApi } from './activate';
import type { WorkerPort } from './worker-port';

/** The part of the browser's Worker that is used here (the DOM's types are not part of this project). */
interface WebWorker {
  postMessage(message: unknown): void;
  terminate(): void;
  addEventListener(type: string, listener: (event: { data?: unknown; message?: string }) => void): void;
}

interface WebGlobals {
  readonly Worker: new (url: string) => WebWorker;
  readonly Blob: new (parts: readonly unknown[], options: { type: string }) => unknown;
  readonly URL: { createObjectURL(blob: unknown): string; revokeObjectURL(url: string): void };
}

async function startWorker(context: vscode.ExtensionContext, bundle: string): Promise<WorkerPort> {
  const source = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(context.extensionUri, 'dist', bundle));
  // A web extension host has these three globals.
  const web = globalThis as unknown as WebGlobals;
  const url = web.URL.createObjectURL(new web.Blob([source], { type: 'application/javascript' }));
  const worker = new web.Worker(url);
  return {
    post: (message) => worker.postMessage(message),
    onMessage: (listener) => worker.addEventListener('message', (event) => listener(event.data)),
    onDeath: (listener) => worker.addEventListener('error', (event) => listener(`${event.message ?? 'worker error'}.`)),
    terminate: () => {
      worker.terminate();
      web.URL.revokeObjectURL(url);
    },
  };
}

export function activate(context: vscode.ExtensionContext): RingsideApi {
  return activateRingside(context, {
    startWorker: (bundle) => startWorker(context, bundle),
    makeLanguageClient: (transports, options) =>
      new LanguageClient('ringside', 'Ringside Assembly', transports, options),
  });
}
