// The language server as the editor sees it: diagnostics with columns, definitions, hovers.
import * as vscode from 'vscode';
import { lineOf, minikernel, scratchGuest, show, textOf } from './guest';
import { waitFor } from './recorder';
import { equal, matches } from './session';

export function language(): void {
  const kernel = (): vscode.Uri => minikernel('kernel.asm');

  it('opens .asm of the sample workspace as NASM for Ringside', async () => {
    equal((await show(kernel())).document.languageId, 'ringside-asm', 'language of kernel.asm');
  });

  it('reports an assembler error at its columns', async () => {
    const uri = await scratchGuest('squiggle.nasm', 'bits 32\n  mov eax, ebx\n  frobnicate ecx\n');
    await show(uri);
    const found = await waitFor('a diagnostic', () => vscode.languages.getDiagnostics(uri)[0]);
    equal(found.range.start.line, 2, 'line of the diagnostic (from 0)');
    equal(found.range.start.character, 2, 'column of the diagnostic (from 0)');
    equal(found.range.end.character, 12, 'end of the diagnostic');
    matches(found.message, /frobnicate/, 'the message');
  });

  it('finds no fault with the minikernel', async () => {
    await show(kernel());
    // The diagnostics of the test before have shown that the server runs; give it the time that it took there.
    await new Promise((next) => setTimeout(next, 500));
    equal(vscode.languages.getDiagnostics(kernel()).length, 0, 'diagnostics of kernel.asm');
  });

  it('goes to the definition of a label in an included file', async () => {
    const { document } = await show(kernel());
    const line = (await lineOf(kernel(), /call\s+paging_setup/)) - 1;
    const position = new vscode.Position(line, document.lineAt(line).text.indexOf('paging_setup') + 3);
    const found = await waitFor('a definition', async () => {
      const all = await vscode.commands.executeCommand<(vscode.Location | vscode.LocationLink)[]>(
        'vscode.executeDefinitionProvider',
        kernel(),
        position,
      );
      return all[0];
    });
    const [uri, range] = 'targetUri' in found ? [found.targetUri, found.targetRange] : [found.uri, found.range];
    matches(uri.path, /paging\.asm$/, 'file of the definition');
    equal(range.start.line + 1, await lineOf(minikernel('paging.asm'), /^paging_setup:/), 'line of the definition');
  });

  it('explains an instruction and a label on hover', async () => {
    await show(kernel());
    const lines = (await textOf(kernel())).split('\n');
    for (const [pattern, word] of [
      [/^\s+lgdt/, 'lgdt'],
      [/call\s+pic_setup/, 'pic_setup'],
    ] as const) {
      const line = lines.findIndex((text) => pattern.test(text));
      const position = new vscode.Position(line, (lines[line] ?? '').indexOf(word) + 1);
      const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
        'vscode.executeHoverProvider',
        kernel(),
        position,
      );
      const text = hovers.flatMap((hover) =>
        hover.contents.map((part) => (typeof part === 'string' ? part : part.value)),
      );
      matches(text.join('\n'), new RegExp(word, 'i'), `hover of ${word}`);
    }
  });
}
