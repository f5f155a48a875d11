// The minikernel as the suites use it: its files, and lines found by their text, so that edits of the guest move nothing here.
import * as vscode from 'vscode';

function workspaceFolder(): vscode.Uri {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  if (folder === undefined) throw new Error('The suite needs the sample workspace guests/.');
  return folder;
}

/** A file of guests/minikernel. */
export const minikernel = (name: string): vscode.Uri => vscode.Uri.joinPath(workspaceFolder(), 'minikernel', name);

export async function textOf(uri: vscode.Uri): Promise<string> {
  return new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
}

/** The 1-based line of the first line after `after` (a pattern too) that matches. */
export async function lineOf(uri: vscode.Uri, pattern: RegExp, after?: RegExp): Promise<number> {
  const lines = (await textOf(uri)).split('\n');
  const start = after === undefined ? 0 : lines.findIndex((line) => after.test(line));
  const index = lines.findIndex((line, i) => i >= start && pattern.test(line));
  if (start < 0 || index < 0) throw new Error(`${uri.path} has no line like ${pattern} after ${after ?? 'its start'}.`);
  return index + 1;
}

/** Opens a file in the editor and gives it the focus. */
export async function show(uri: vscode.Uri): Promise<vscode.TextEditor> {
  return vscode.window.showTextDocument(uri, { preview: false, preserveFocus: false });
}

/** The instruction that the multiboot header names as the first: its line in kernel.asm. */
export const entryLine = (): Promise<number> => lineOf(minikernel('kernel.asm'), /mov\s+esp,\s*BOOT_STACK_TOP/);

/** Writes a guest of the suite's own into a scratch folder of the workspace and returns it. */
export async function scratchGuest(name: string, source: string): Promise<vscode.Uri> {
  const uri = vscode.Uri.joinPath(workspaceFolder(), '..', 'out', 'suite', 'guests', name);
  await vscode.workspace.fs.writeFile(uri, new TextEncoder().encode(source));
  return uri;
}
