// What the host suite leaves behind: its counts, written through the workbench's own file system at the very end.
import * as vscode from 'vscode';

export interface Counts {
  passed: number;
  failed: number;
  /** Title of each skipped test with the reason. */
  skips: string[];
}

/** A setting that the runner of the suite prepared. */
export function testSetting(name: string): string {
  const value = vscode.workspace.getConfiguration('ringsideTest').get<string>(name);
  if (value === undefined)
    throw new Error(`The setting ringsideTest.${name} is missing: run the suite with run-suite.mjs.`);
  return value;
}

/** Prints a line that the runner can tell from the workbench's own log. */
export function say(line: string): void {
  console.log(`[suite] ${line}`);
}

export async function writeWitness(counts: Counts): Promise<void> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  if (folder === undefined) throw new Error('The suite needs the sample workspace.');
  await vscode.workspace.fs.writeFile(
    folder.with({ path: testSetting('witness') }),
    new TextEncoder().encode(JSON.stringify(counts)),
  );
}
