/** What both hosts share: the adapter factory, the views, the terminals, the commands and the language client. */
import * as vscode from 'vscode';
import type { HostMessage } from '../dap/worker-messages';
import { registerAssociation } from './association';
import { registerConfiguration } from './configuration';
import { registerGoTo } from './go-to';
import { type MakeLanguageClient, startLanguageClient } from './language';
import { DEBUG_TYPE, LiveSession } from './live-session';
import { MemoryDocuments } from './memory-documents';
import { createSerialTerminals } from './serial-terminal';
import { createStatusBar } from './status-bar';
import { exitRows } from './trees/exits-tree';
import { machineRows } from './trees/machine-tree';
import { pageTableRows } from './trees/page-tables-tree';
import { type RowSource, SessionTree } from './trees/session-tree';
import { transitionRows } from './trees/transitions-tree';
import { WorkerAdapter } from './worker-adapter';
import type { StartWorker } from './worker-port';

/** What differs between the desktop and the web host. */
export interface Host {
  readonly startWorker: StartWorker;
  readonly makeLanguageClient: MakeLanguageClient;
}

const TREES: readonly (readonly [id: string, source: RowSource])[] = [
  ['ringside.machine', machineRows],
  ['ringside.transitions', transitionRows],
  ['ringside.exits', exitRows],
  ['ringside.pageTables', pageTableRows],
];

/** For tests and extensions on top: what the views show, and when each was last given its rows. */
export interface RingsideApi {
  readonly trees: ReadonlyMap<string, SessionTree>;
  readonly onDidPaint: vscode.Event<string>;
}

export function activateRingside(context: vscode.ExtensionContext, host: Host): RingsideApi {
  const shipped = (name: string): Promise<Uint8Array> =>
    Promise.resolve(vscode.workspace.fs.readFile(vscode.Uri.joinPath(context.extensionUri, 'dist', name)));
  const icedWasm = (): Promise<Uint8Array> => shipped('iced_x86_bg.wasm');
  const sessionInit = async (): Promise<HostMessage> => {
    const [iced, interpreterWasm, vmmSource] = await Promise.all([
      icedWasm(),
      shipped('interpreter.wasm'),
      shipped('vmm-source.json'),
    ]);
    return { kind: 'init', icedWasm: iced, interpreterWasm, vmmSource: new TextDecoder().decode(vmmSource) };
  };
  const live = new LiveSession();
  const memory = new MemoryDocuments(live);
  const painted = new vscode.EventEmitter<string>();
  const trees = new Map(
    TREES.map(([id, source]) => [id, new SessionTree(id, live, source, (view) => painted.fire(view))] as const),
  );
  context.subscriptions.push(
    live,
    memory,
    painted,
    ...trees.values(),
    createStatusBar(live),
    createSerialTerminals(live),
    registerAssociation(),
    ...registerConfiguration(),
    ...registerGoTo(live, memory),
    vscode.debug.registerDebugAdapterDescriptorFactory(DEBUG_TYPE, {
      createDebugAdapterDescriptor: () =>
        new vscode.DebugAdapterInlineImplementation(
          new WorkerAdapter(host.startWorker('session-worker.js'), sessionInit()),
        ),
    }),
  );
  void startLanguageClient(host.makeLanguageClient, host.startWorker, icedWasm).then(
    (client) => context.subscriptions.push(client),
    (error: unknown) => {
      void vscode.window.showErrorMessage(
        `Ringside's language server could not start: ${error instanceof Error ? error.message : String(error)}`,
      );
    },
  );
  return { trees, onDidPaint: painted.event };
}
