// Starting, steering and ending a debug session the way a user does: through the workbench's commands.
import type { DebugProtocol } from '@vscode/debugprotocol';
import * as vscode from 'vscode';
import type { RingsideApi } from '../../../src/extension/activate';
import { minikernel, show } from './guest';
import { Recorder, waitFor } from './recorder';
import { say } from './witness';

export const command = (name: string, ...args: unknown[]): Thenable<unknown> =>
  vscode.commands.executeCommand(name, ...args);

/** F5 in an editor that shows kernel.asm, with no launch.json; waits for the stop. */
export async function pressF5(recorder: Recorder): ReturnType<Recorder['stop']> {
  await show(minikernel('kernel.asm'));
  recorder.clear();
  await command('workbench.action.debug.start');
  return recorder.stop();
}

/** Starts the minikernel with launch attributes of the test's own. */
export async function launch(recorder: Recorder, attributes: Record<string, unknown>): Promise<boolean> {
  recorder.clear();
  return vscode.debug.startDebugging(vscode.workspace.workspaceFolders?.[0], {
    type: 'ringside',
    request: 'launch',
    name: 'suite',
    program: pathOf(minikernel('kernel.asm')),
    ...attributes,
  });
}

/** A program as a launch configuration names it. */
export const pathOf = (uri: vscode.Uri): string => (uri.scheme === 'file' ? uri.fsPath : uri.toString());

/** Runs a debug command of the workbench and waits for the stop that it leads to. */
export async function andStop(recorder: Recorder, name: string): ReturnType<Recorder['stop']> {
  recorder.clear();
  await command(`workbench.action.debug.${name}`);
  return recorder.stop();
}

/** Ends whatever session runs and removes all breakpoints, so that tests do not see each other. */
export async function tidy(recorder: Recorder): Promise<void> {
  vscode.debug.removeBreakpoints(vscode.debug.breakpoints);
  try {
    // A stack trace that arrives while its session ends would make the ended session the workbench's active one again.
    await recorder.quiet();
    if (recorder.living.size > 0) await vscode.debug.stopDebugging();
    await waitFor('the end of the session', () => (recorder.living.size === 0 ? true : undefined));
  } catch (error) {
    say(`the last messages: ${recorder.last(20)}`);
    throw error;
  }
}

/** A recorder for the tests of a `describe`, each of which leaves no session behind. */
export function useRecorder(): Recorder {
  const recorder = new Recorder();
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') say(`the last messages: ${recorder.last(20)}`);
    await tidy(recorder);
  });
  after(() => recorder.dispose());
  return recorder;
}

/** Sets a breakpoint in a file at a 1-based line. */
export function breakAt(uri: vscode.Uri, line: number): void {
  const position = new vscode.Position(line - 1, 0);
  vscode.debug.addBreakpoints([new vscode.SourceBreakpoint(new vscode.Location(uri, position))]);
}

/** What Watch shows for an expression in the innermost frame. */
export async function evaluate(session: vscode.DebugSession, frameId: number, expression: string): Promise<string> {
  const body = (await session.customRequest('evaluate', {
    expression,
    frameId,
    context: 'watch',
  })) as DebugProtocol.EvaluateResponse['body'];
  return body.result;
}

/** The API that the extension exports; activates it. */
export async function ringside(): Promise<RingsideApi> {
  const extension = vscode.extensions.getExtension<RingsideApi>('ringside.ringside');
  if (extension === undefined) throw new Error('Ringside is not installed.');
  return extension.activate();
}

/** Every row of a tree with its children, as `label description`, indented by level. */
export async function treeText(api: RingsideApi, view: string): Promise<string> {
  const tree = api.trees.get(view);
  if (tree === undefined) throw new Error(`There is no tree ${view}.`);
  type Row = Awaited<ReturnType<typeof tree.getChildren>>[number];
  const lines: string[] = [];
  const visit = async (row: Row | undefined, indent: string): Promise<void> => {
    for (const child of await tree.getChildren(row)) {
      // What a screen reader says: label, description, and what the icon tells.
      lines.push(`${indent}${child.item.accessibilityInformation?.label ?? ''}`);
      await visit(child, `${indent}  `);
    }
  };
  await visit(undefined, '');
  return lines.join('\n');
}

/** Fails with both values unless they are the same. */
export function equal<T>(actual: T, expected: T, what: string): void {
  if (actual !== expected) throw new Error(`${what}: expected ${String(expected)}, found ${String(actual)}.`);
}

/** Fails with the text unless it matches. */
export function matches(text: string, pattern: RegExp, what: string): void {
  if (!pattern.test(text)) throw new Error(`${what}: nothing like ${pattern} in:\n${text}`);
}
