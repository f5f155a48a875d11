/** The language server behind an in-memory connection. */
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import {
  createConnection,
  createProtocolConnection,
  DefinitionRequest,
  type Diagnostic,
  DidChangeTextDocumentNotification,
  DidCloseTextDocumentNotification,
  DidOpenTextDocumentNotification,
  DocumentSymbolRequest,
  HoverRequest,
  InitializedNotification,
  InitializeRequest,
  type Location,
  type MarkupContent,
  type ProtocolConnection,
  PublishDiagnosticsNotification,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';
import { startLanguageServer } from './server';

const main = 'file:///guest/program.asm';
const part = 'file:///guest/part.asm';

class Editor {
  readonly #client: ProtocolConnection;
  readonly #diagnostics = new Map<string, Diagnostic[]>();
  #waiters: { readonly uri: string; readonly done: (diagnostics: Diagnostic[]) => void }[] = [];
  readonly read: string[] = [];

  constructor(disk: ReadonlyMap<string, string>) {
    const toServer = new PassThrough();
    const toClient = new PassThrough();
    const server = createConnection(new StreamMessageReader(toServer), new StreamMessageWriter(toClient));
    startLanguageServer(
      server,
      async (uri) => {
        this.read.push(uri);
        return disk.get(uri);
      },
      { quiet: 5 },
    );
    this.#client = createProtocolConnection(new StreamMessageReader(toClient), new StreamMessageWriter(toServer));
    this.#client.onNotification(PublishDiagnosticsNotification.type, ({ uri, diagnostics }) => {
      this.#diagnostics.set(uri, diagnostics);
      const ready = this.#waiters.filter((waiter) => waiter.uri === uri);
      this.#waiters = this.#waiters.filter((waiter) => waiter.uri !== uri);
      for (const { done } of ready) done(diagnostics);
    });
    this.#client.listen();
  }

  async start(): Promise<void> {
    await this.#client.sendRequest(InitializeRequest.type, { processId: null, rootUri: null, capabilities: {} });
    await this.#client.sendNotification(InitializedNotification.type, {});
  }

  next(uri: string): Promise<Diagnostic[]> {
    return new Promise((done) => this.#waiters.push({ uri, done }));
  }

  async open(uri: string, text: string): Promise<Diagnostic[]> {
    const next = this.next(uri);
    await this.#client.sendNotification(DidOpenTextDocumentNotification.type, {
      textDocument: { uri, languageId: 'ringside-asm', version: 1, text },
    });
    return next;
  }

  async change(uri: string, version: number, text: string): Promise<Diagnostic[]> {
    const next = this.next(uri);
    await this.#client.sendNotification(DidChangeTextDocumentNotification.type, {
      textDocument: { uri, version },
      contentChanges: [{ text }],
    });
    return next;
  }

  async close(uri: string): Promise<Diagnostic[]> {
    const next = this.next(uri);
    await this.#client.sendNotification(DidCloseTextDocumentNotification.type, { textDocument: { uri } });
    return next;
  }

  async definition(uri: string, line: number, character: number): Promise<Location[]> {
    const answer = await this.#client.sendRequest(DefinitionRequest.type, {
      textDocument: { uri },
      position: { line, character },
    });
    return [answer ?? []].flat().flatMap((one) => ('uri' in one ? [one] : []));
  }

  async hover(uri: string, line: number, character: number): Promise<string> {
    const answer = await this.#client.sendRequest(HoverRequest.type, {
      textDocument: { uri },
      position: { line, character },
    });
    // The server sends Markdown and nothing else.
    return answer ? (answer.contents as MarkupContent).value : '';
  }

  async outline(
    uri: string,
  ): Promise<readonly { readonly name: string; readonly children?: readonly { readonly name: string }[] }[]> {
    return (await this.#client.sendRequest(DocumentSymbolRequest.type, { textDocument: { uri } })) ?? [];
  }

  dispose(): void {
    this.#client.dispose();
  }
}

let editor: Editor | undefined;

async function startEditor(disk: Readonly<Record<string, string>> = {}): Promise<Editor> {
  editor = new Editor(new Map(Object.entries(disk)));
  await editor.start();
  return editor;
}

afterEach(() => {
  editor?.dispose();
  editor = undefined;
});

const program = `        bits 32
%include "part.asm"
%define ANSWER 42
%macro twice 1
        %1
        %1
%endmacro
start:  mov eax, ANSWER
.loop:  call helper
        jmp .loop
        twice nop
size    equ 0x200
        mov ecx, size
        popf
`;

const included = `helper: inc eax
        ret
`;

describe('diagnostics', () => {
  it('mark the exact columns and disappear when the error is repaired', async () => {
    const one = await startEditor();
    const [diagnostic] = await one.open(main, '        bits 32\n        mov eax, misspelt\n');
    expect(diagnostic?.range).toEqual({ start: { line: 1, character: 17 }, end: { line: 1, character: 25 } });
    expect(diagnostic?.message).toContain('"misspelt" is not defined');
    expect(await one.change(main, 2, '        bits 32\n        mov eax, 5\n')).toEqual([]);
  });

  it('stand in the included file where its error is', async () => {
    const one = await startEditor({ [part]: 'helper: inc eax\n        bogus eax\n' });
    const shown = one.next(part);
    expect(await one.open(main, program)).toEqual([]);
    const [diagnostic] = await shown;
    expect(diagnostic?.range.start).toEqual({ line: 1, character: 8 });
  });

  it('of a macro stand at its use and point to its body', async () => {
    const one = await startEditor();
    const [diagnostic] = await one.open(
      main,
      '%macro wrong 0\n        mov eax, nowhere\n%endmacro\n        bits 32\n        wrong\n',
    );
    expect(diagnostic?.range.start).toEqual({ line: 4, character: 8 });
    expect(diagnostic?.relatedInformation?.[0]?.location.range.start).toEqual({ line: 1, character: 17 });
  });

  it('name the file that an include does not find, and go when it appears', async () => {
    const one = await startEditor();
    const [diagnostic] = await one.open(main, '%include "part.asm"\n');
    expect(diagnostic?.message).toContain('file:///guest/part.asm');
    const repaired = one.next(main);
    await one.open(part, included);
    expect(await repaired).toEqual([]);
  });

  it('of a file that the main file beside it includes come from the whole program', async () => {
    const one = await startEditor({
      'file:///guest/kernel.asm': `start equ 1\n%include "part.asm"\n`,
      [part]: 'mov eax, start\n',
    });
    expect(await one.open(part, 'mov eax, start\n')).toEqual([]);
    expect((await one.change(part, 2, 'mov eax, begin\n')).length).toBe(1);
  });

  it('are taken back when the file is closed', async () => {
    const one = await startEditor();
    expect((await one.open(main, 'bogus eax\n')).length).toBe(1);
    expect(await one.close(main)).toEqual([]);
  });
});

describe('go to definition', () => {
  it('finds labels across files, local labels, constants and macros', async () => {
    const one = await startEditor({ [part]: included });
    await one.open(main, program);
    const [helper] = await one.definition(main, 8, 14);
    expect(helper).toEqual({ uri: part, range: { start: { line: 0, character: 0 }, end: { line: 0, character: 6 } } });
    expect((await one.definition(main, 9, 13))[0]?.range.start).toEqual({ line: 8, character: 0 });
    expect((await one.definition(main, 7, 18))[0]?.range.start).toEqual({ line: 2, character: 8 });
    expect((await one.definition(main, 10, 10))[0]?.range.start).toEqual({ line: 3, character: 7 });
    expect((await one.definition(main, 12, 18))[0]?.range.start).toEqual({ line: 11, character: 0 });
  });

  it('opens the included file', async () => {
    const one = await startEditor({ [part]: included });
    await one.open(main, program);
    expect((await one.definition(main, 1, 12))[0]?.uri).toBe(part);
  });
});

describe('hover', () => {
  it('shows values of labels, constants and macros', async () => {
    const one = await startEditor({ [part]: included });
    await one.open(main, program);
    expect(await one.hover(main, 8, 14)).toContain('label at 0x0');
    expect(await one.hover(main, 12, 18)).toContain('equ 512 (0x200)');
    expect(await one.hover(main, 7, 18)).toContain('%define ANSWER 42');
    expect(await one.hover(main, 10, 10)).toContain('macro with 1 parameters');
  });

  it('says that popf is sensitive and not privileged', async () => {
    const one = await startEditor({ [part]: included });
    await one.open(main, program);
    const text = await one.hover(main, 13, 10);
    expect(text).toContain('Privileged: no.');
    expect(text).toContain('Sensitive: yes (control and behaviour), and it does not trap');
  });

  it('lists operand forms and flags of an instruction', async () => {
    const one = await startEditor({ [part]: included });
    await one.open(main, `${program}        lgdt [eax]\n        add eax, 1\n`);
    expect(await one.hover(main, 14, 9)).toContain('Privileged: yes');
    const text = await one.hover(main, 15, 9);
    expect(text).toContain('ADD r/m32, r32');
    expect(text).toContain('writes CF PF AF ZF SF OF');
  });
});

it('outlines labels, local labels, constants and macros', async () => {
  const one = await startEditor({ [part]: included });
  await one.open(main, program);
  const symbols = await one.outline(main);
  expect(symbols.map(({ name }) => name)).toEqual(['ANSWER', 'twice', 'start', 'size']);
  expect(symbols[2]?.children?.map(({ name }) => name)).toEqual(['.loop']);
});
