/** Lets a person give `.asm` files to Ringside's language, in this workspace; other extensions keep them until then. */
import * as vscode from 'vscode';

export function registerAssociation(): vscode.Disposable {
  return vscode.commands.registerCommand('ringside.associateAsm', async () => {
    const target =
      vscode.workspace.workspaceFolders === undefined
        ? vscode.ConfigurationTarget.Global
        : vscode.ConfigurationTarget.Workspace;
    const files = vscode.workspace.getConfiguration('files');
    const associations = { ...files.get<Record<string, string>>('associations'), '*.asm': 'ringside-asm' };
    await files.update('associations', associations, target);
    void vscode.window.showInformationMessage(
      target === vscode.ConfigurationTarget.Workspace
        ? 'Files ending in .asm open as NASM (Ringside) in this workspace now.'
        : 'Files ending in .asm open as NASM (Ringside) now.',
    );
  });
}
