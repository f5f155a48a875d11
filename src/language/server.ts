/** The language server: diagnostics, definitions, hovers and outlines from the same assembler that F5 uses. */
import {
  type Connection,
  type Diagnostic as ShownDiagnostic,
  DiagnosticSeverity,
  type InitializeResult,
  TextDocuments,
  TextDocumentSyncKind,
} from 'vscode-languageserver';
import { TextDocument } from 'vscode-languageserver-textdocument';
import type { Diagnostic, FileReader } from '../assembler';
import { Analyses, type Analysis } from './analysis';
import { findDefinition, isBlockMacro } from './definition';
import { findHover } from './hover';
import { outline } from './outline';
import { toRange } from './places';

export interface LanguageServerOptions {
  /** Milliseconds of quiet after the last keystroke before the program is assembled. */
  readonly quiet?: number;
}

/** The timers that every host has; declared so that the core needs neither DOM nor Node types. */
declare function setTimeout(callback: () => void, milliseconds: number): unknown;
declare function clearTimeout(timer: unknown): void;

/**
 * Serves the connection until it closes; calls `listen` itself.
 * @param readFile reads a file by URI, undefined when it does not exist; open documents are not asked for
 */
export function startLanguageServer(
  connection: Connection,
  readFile: FileReader,
  options: LanguageServerOptions = {},
): void {
  const documents = new TextDocuments(TextDocument);
  const analyses = new Analyses(async (uri) => documents.get(uri)?.getText() ?? (await readFile(uri)));
  const server = new LanguageServer(connection, documents, analyses, options.quiet ?? 200);
  connection.onInitialize(
    (): InitializeResult => ({
      capabilities: {
        textDocumentSync: TextDocumentSyncKind.Incremental,
        definitionProvider: true,
        hoverProvider: true,
        documentSymbolProvider: true,
      },
      serverInfo: { name: 'Ringside assembler' },
    }),
  );
  documents.onDidChangeContent(({ document }) => server.changed(document.uri));
  documents.onDidClose(({ document }) => server.closed(document.uri));
  connection.onDidChangeWatchedFiles(({ changes }) => {
    for (const { uri } of changes) server.changed(uri);
  });
  connection.onDefinition(async ({ textDocument, position }) => {
    const analysis = await server.current(textDocument.uri);
    return analysis ? findDefinition(analysis, textDocument.uri, position) : [];
  });
  connection.onHover(async ({ textDocument, position }) => {
    const analysis = await server.current(textDocument.uri);
    return analysis ? findHover(analysis, textDocument.uri, position) : undefined;
  });
  connection.onDocumentSymbol(async ({ textDocument }) => {
    const analysis = await server.current(textDocument.uri);
    const document = documents.get(textDocument.uri);
    const isMacro = (name: string) => analysis !== undefined && isBlockMacro(analysis, name);
    return document ? outline(document.getText(), document.uri, isMacro) : [];
  });
  documents.listen(connection);
  connection.listen();
}

class LanguageServer {
  readonly #connection: Connection;
  readonly #documents: TextDocuments<TextDocument>;
  readonly #analyses: Analyses;
  readonly #quiet: number;
  readonly #changed = new Set<string>();
  /** Files that show diagnostics, by the program that put them there. */
  readonly #shown = new Map<string, ReadonlySet<string>>();
  #timer: unknown;
  /** The refresh under way or done last; refreshes follow one another, so that an old result never hides a new one. */
  #work: Promise<void> = Promise.resolve();

  constructor(connection: Connection, documents: TextDocuments<TextDocument>, analyses: Analyses, quiet: number) {
    this.#connection = connection;
    this.#documents = documents;
    this.#analyses = analyses;
    this.#quiet = quiet;
  }

  changed(uri: string): void {
    this.#changed.add(uri);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#refreshNow(), this.#quiet);
  }

  closed(uri: string): void {
    this.#changed.delete(uri);
    const isStillUsed = this.#analyses.mainsOf(uri).length > 0;
    this.#analyses.drop(uri);
    this.#retract(uri);
    if (isStillUsed) this.changed(uri);
  }

  /** The analysis that speaks for the file, with every change taken in. */
  async current(uri: string): Promise<Analysis | undefined> {
    await this.#refreshNow();
    return this.#analyses.of(uri);
  }

  #refreshNow(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#changed.size > 0) {
      const changed = [...this.#changed];
      this.#changed.clear();
      this.#work = this.#work.then(() => this.#refresh(changed)).catch((error: unknown) => this.#report(error));
    }
    return this.#work;
  }

  async #refresh(changed: readonly string[]): Promise<void> {
    const mains = new Set<string>();
    for (const uri of changed) for (const main of await this.#programsOf(uri)) mains.add(main);
    for (const main of mains) await this.#analyses.refresh(main);
    for (const main of mains) this.#publish(main);
  }

  /** The programs to assemble after a change of the file: those that include it, or the file itself when it is open. */
  async #programsOf(uri: string): Promise<readonly string[]> {
    const known = this.#analyses.mainsOf(uri);
    if (known.length > 0) {
      this.#analyses.drop(uri);
      return known;
    }
    const waiting = this.#analyses.all.filter(
      ({ result, main }) => main !== uri && result.diagnostics.some((one) => one.message.includes(uri)),
    );
    if (!this.#documents.get(uri)) return waiting.map(({ main }) => main);
    const isNew = !this.#analyses.of(uri);
    const main = isNew ? await this.#analyses.findMain(uri) : undefined;
    return [main ?? uri, ...waiting.map((one) => one.main)];
  }

  #publish(main: string): void {
    const analysis = this.#analyses.of(main);
    if (!analysis) return;
    const byFile = new Map<string, ShownDiagnostic[]>();
    for (const uri of [...analysis.files.keys(), main])
      if (this.#documents.get(uri) || uri === main) byFile.set(uri, []);
    for (const diagnostic of analysis.result.diagnostics) {
      const list = byFile.get(diagnostic.file) ?? [];
      list.push(shown(diagnostic));
      byFile.set(diagnostic.file, list);
    }
    for (const uri of this.#shown.get(main) ?? []) if (!byFile.has(uri)) byFile.set(uri, []);
    this.#shown.set(main, new Set(byFile.keys()));
    for (const [uri, diagnostics] of byFile) void this.#connection.sendDiagnostics({ uri, diagnostics });
  }

  #retract(main: string): void {
    for (const uri of this.#shown.get(main) ?? []) void this.#connection.sendDiagnostics({ uri, diagnostics: [] });
    this.#shown.delete(main);
  }

  #report(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#connection.console.error(`The program could not be analysed: ${text}`);
  }
}

function shown(diagnostic: Diagnostic): ShownDiagnostic {
  const { inMacro } = diagnostic;
  return {
    range: toRange(diagnostic),
    severity: diagnostic.severity === 'error' ? DiagnosticSeverity.Error : DiagnosticSeverity.Warning,
    source: 'ringside',
    message: diagnostic.message,
    ...(inMacro
      ? {
          relatedInformation: [
            { location: { uri: inMacro.file, range: toRange(inMacro) }, message: `in the macro "${inMacro.macro}"` },
          ],
        }
      : {}),
  };
}
