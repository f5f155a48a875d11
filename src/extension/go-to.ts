/** Where a click leads: the source line when there is one, else the bytes at the address. */
import * as vscode from 'vscode';
import type { Location } from '../dap/custom-requests';
import { hex } from './format';
import type { LiveSession } from './live-session';
import type { MemoryDocuments } from './memory-documents';

const GO_TO = 'ringside.goTo';
const SHOW_MEMORY = 'ringside.showMemory';

/** A tree row's command: to the source line, or to what lies at the address. */
export function goToCommand(location: Location | undefined, address: number): vscode.Command {
  return { command: GO_TO, title: 'Go to', arguments: [location, address] };
}

/** A tree row's command: the bytes at an address in the address grammar (`vm0/gpa/0x1000`). */
export function showMemoryCommand(reference: string): vscode.Command {
  return { command: SHOW_MEMORY, title: 'Show memory', arguments: [reference] };
}

export function registerGoTo(live: LiveSession, memory: MemoryDocuments): vscode.Disposable[] {
  return [
    vscode.commands.registerCommand(GO_TO, async (location: Location | undefined, address: number) => {
      const found = location ?? (await live.request('ringside/locate', { address }))?.location;
      if (found === undefined) return memory.show(hex(address));
      await vscode.window.showTextDocument(sourceUri(found.path), {
        selection: new vscode.Range(found.line - 1, 0, found.line - 1, 0),
        preserveFocus: false,
      });
    }),
    vscode.commands.registerCommand(SHOW_MEMORY, async (reference?: string) => {
      const wanted =
        reference ??
        (await vscode.window.showInputBox({
          title: 'Show guest memory',
          prompt: 'An address: 0x00101000, vm0/gpa/0x1000 or host/hpa/0x1000',
          value: '0x00100000',
        }));
      if (wanted !== undefined) await memory.show(wanted);
    }),
  ];
}

/** Source paths are file paths on desktop hosts and URIs on web hosts. */
export function sourceUri(path: string): vscode.Uri {
  return /^[a-z][a-z0-9+.-]+:\//i.test(path) ? vscode.Uri.parse(path, true) : vscode.Uri.file(path);
}
