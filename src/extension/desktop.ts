/** The entry for desktop and remote hosts (Node). */
import { Worker } from 'node:worker_threads';
import * as vscode from 'vscode';
import { LanguageClient } from 'vscode-languageclient/node';
import { activateRingside, type RingsideApi } from './activate';
import type { WorkerPort } from './worker-port';

/** The simulator's memory lies outside the JavaScript heap; this bounds what a runaway session may take of the heap. */
const MOST_HEAP_MIB = 2048;

function startWorker(context: vscode.ExtensionContext, bundle: string): WorkerPort {
  const file = vscode.Uri.joinPath(context.extensionUri, 'dist', bundle).fsPath;
  const worker = new Worker(file, { resourceLimits: { maxOldGenerationSizeMb: MOST_HEAP_MIB } });
  let terminated = false;
  return {
    post: (message) => worker.postMessage(message),
    onMessage: (listener) => void worker.on('message', listener),
    onDeath: (listener) => {
      worker.on('error', (error: Error) => listener(`${error.message}.`));
      worker.on('exit', (code) => {
        if (!terminated) listener(`its worker ended (exit code ${code}).`);
      });
    },
    terminate: () => {
      terminated = true;
      void worker.terminate();
    },
  };
}

export function activate(context: vscode.ExtensionContext): RingsideApi {
  return activateRingside(context, {
    startWorker: async (bundle) => startWorker(context, bundle),
    makeLanguageClient: (transports, options) =>
      new LanguageClient('ringside', 'Ringside Assembly', transports, options),
  });
}
