/** Launch configurations: F5 without a launch.json, the defaults of one, and the list of techniques to choose from. */
import * as vscode from 'vscode';
import { DEBUG_TYPE } from './live-session';
import { TECHNIQUES, type TechniqueChoice } from './techniques';

const ASSEMBLY = /\.(asm|nasm|s)$/i;

/** The path of a document as the adapter wants it: a file path where there is one, else the URI. */
function programOf(uri: vscode.Uri): string {
  return uri.scheme === 'file' ? uri.fsPath : uri.toString();
}

function isAssembly(document: vscode.TextDocument): boolean {
  return document.languageId === 'ringside-asm' || ASSEMBLY.test(document.uri.path);
}

/** The active assembly file, or the only one that is open. */
function activeProgram(): string | undefined {
  const active = vscode.window.activeTextEditor?.document;
  if (active !== undefined && isAssembly(active)) return programOf(active.uri);
  const visible = vscode.window.visibleTextEditors.filter((editor) => isAssembly(editor.document));
  const only = visible[0];
  return visible.length === 1 && only !== undefined ? programOf(only.document.uri) : undefined;
}

export function launchConfiguration(program: string, technique?: TechniqueChoice): vscode.DebugConfiguration {
  return {
    type: DEBUG_TYPE,
    request: 'launch',
    name: `Ringside: ${technique?.label ?? 'native'}`,
    program,
    stopOnEntry: true,
    ...(technique === undefined ? {} : { cpu: technique.cpu, mmu: technique.mmu }),
  };
}

/** Fills what F5 without a launch.json leaves out. */
const defaults: vscode.DebugConfigurationProvider = {
  resolveDebugConfiguration(_folder, config) {
    if (!config.type && !config.request && !config.name) {
      const program = activeProgram();
      if (program === undefined) {
        void vscode.window.showErrorMessage(
          'Ringside has nothing to run: open a guest assembly file (.asm) and press F5 there, or name it as "program" in launch.json.',
        );
        return undefined;
      }
      return launchConfiguration(program);
    }
    config.request ??= 'launch';
    config.name ??= 'Ringside';
    config['stopOnEntry'] ??= true;
    config['program'] ??= activeProgram();
    if (config['program'] === undefined) {
      void vscode.window.showErrorMessage(
        'The launch configuration names no "program": set it to the guest\'s assembly file, for example "${file}".',
      );
      return undefined;
    }
    return config;
  },

  resolveDebugConfigurationWithSubstitutedVariables(folder, config) {
    // A path relative to the folder that holds launch.json; the adapter works with absolute paths and URIs only.
    const program: unknown = config['program'];
    if (typeof program === 'string' && folder !== undefined && !/^([a-z][a-z0-9+.-]*:|[\\/])/i.test(program))
      config['program'] = programOf(vscode.Uri.joinPath(folder.uri, program));
    // Our own terminal shows the serial port, unless the debug console is asked for.
    config['serial'] ??= 'terminal';
    return config;
  },
};

/** Every technique for the active file, in the Run and Debug picker. */
const choices: vscode.DebugConfigurationProvider = {
  provideDebugConfigurations() {
    const program = activeProgram() ?? '${file}';
    return TECHNIQUES.map((technique) => launchConfiguration(program, technique));
  },
};

async function debugFile(uri: vscode.Uri | undefined, technique?: TechniqueChoice, noDebug = false): Promise<void> {
  const program = uri === undefined ? activeProgram() : programOf(uri);
  if (program === undefined) {
    void vscode.window.showErrorMessage('Ringside has nothing to run: open a guest assembly file (.asm) first.');
    return;
  }
  const folder = uri === undefined ? vscode.workspace.workspaceFolders?.[0] : vscode.workspace.getWorkspaceFolder(uri);
  await vscode.debug.startDebugging(folder, launchConfiguration(program, technique), { noDebug });
}

async function pickTechnique(uri: vscode.Uri | undefined): Promise<void> {
  const picked = await vscode.window.showQuickPick([...TECHNIQUES], {
    title: 'Run the guest under a technique',
    placeHolder: 'The same guest, the same result, by another route',
    matchOnDetail: true,
  });
  if (picked !== undefined) await debugFile(uri, picked);
}

export function registerConfiguration(): vscode.Disposable[] {
  return [
    vscode.debug.registerDebugConfigurationProvider(DEBUG_TYPE, defaults),
    vscode.debug.registerDebugConfigurationProvider(
      DEBUG_TYPE,
      choices,
      vscode.DebugConfigurationProviderTriggerKind.Dynamic,
    ),
    vscode.debug.registerDebugConfigurationProvider(
      DEBUG_TYPE,
      choices,
      vscode.DebugConfigurationProviderTriggerKind.Initial,
    ),
    vscode.commands.registerCommand('ringside.debugFile', (uri?: vscode.Uri) => debugFile(uri)),
    vscode.commands.registerCommand('ringside.debugFileUnder', (uri?: vscode.Uri) => pickTechnique(uri)),
  ];
}
