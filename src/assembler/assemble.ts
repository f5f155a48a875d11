/** Assembles NASM source to a flat binary with a line map: passes until no label moves, as NASM does. */
import type { Diagnostic } from './diagnostics';
import { SourceError } from './diagnostics';
import type { AssembledImage, AssembleRequest, AssembleResult } from './image';
import { Pass, type PassResult } from './pass';
import { flatten, layOut, type PlacedSection } from './sections';
import { SourceFiles } from './source-files';

/** Passes after which labels that still move are given up. */
const mostPasses = 100;

/**
 * Assembles `request.main`. Pure and synchronous: nothing is read but `request.files`.
 * Lines in diagnostics and symbols are 1-based, columns 0-based in UTF-16 units.
 * When a file is lacking, `needs` names it and there is no image.
 */
export function assemble(request: AssembleRequest): AssembleResult {
  const content = request.files.get(request.main);
  if (content === undefined) {
    if (!request.missing?.has(request.main)) return { needs: [request.main], diagnostics: [], symbols: [], macros: [] };
    return {
      diagnostics: [atStart(request.main, `The file ${request.main} does not exist.`)],
      symbols: [],
      macros: [],
    };
  }
  const files = new SourceFiles(request);
  const lasting: Diagnostic[] = [];
  let before: PassResult | undefined;
  for (let count = 1; count <= mostPasses; count++) {
    const pass: PassResult = new Pass(files, request.main, before).run(content);
    lasting.push(...pass.lasting);
    if (pass.needs.size > 0) return { needs: [...pass.needs], ...outcome(pass, []) };
    // The first pass knows no names that are defined further down, so it is never the last.
    if (before && isSettled(before, pass)) return finish(pass, lasting);
    before = pass;
  }
  if (!before) throw new Error('The assembler made no pass.');
  const moving = atStart(
    request.main,
    `The labels still move after ${mostPasses} passes; a size or "times" count depends on itself.`,
  );
  const errors = before.diagnostics.some(({ severity }) => severity === 'error');
  return outcome(before, errors ? [...before.diagnostics, ...lasting] : [...before.diagnostics, moving]);
}

function atStart(file: string, message: string): Diagnostic {
  return { severity: 'error', message, file, line: 1, column: 0, endColumn: 0 };
}

function outcome({ symbols, macros }: PassResult, diagnostics: readonly Diagnostic[]): AssembleResult {
  return { diagnostics: distinct(diagnostics), symbols: symbols.list(), macros };
}

function distinct(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const seen = new Set<string>();
  return diagnostics.filter((one) => {
    const key = `${one.file}\0${one.line}\0${one.column}\0${one.message}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function isSettled(before: PassResult, pass: PassResult): boolean {
  if (pass.symbols.changed || before.symbols.all.size !== pass.symbols.all.size) return false;
  if (before.origin !== pass.origin || before.sections.length !== pass.sections.length) return false;
  return before.sections.every((section, index) => {
    const now = pass.sections[index];
    return (
      now !== undefined && section.name === now.name && section.length === now.length && sameAttributes(section, now)
    );
  });
}

function sameAttributes(a: PassResult['sections'][number], b: PassResult['sections'][number]): boolean {
  return (
    a.align === b.align && a.kind === b.kind && a.start === b.start && a.vstart === b.vstart && a.address === b.address
  );
}

function finish(pass: PassResult, lasting: readonly Diagnostic[]): AssembleResult {
  const diagnostics = [...pass.diagnostics, ...lasting];
  if (diagnostics.some(({ severity }) => severity === 'error')) return outcome(pass, diagnostics);
  try {
    const placed = layOut(pass.sections, pass.origin);
    return { ...outcome(pass, diagnostics), image: image(pass, placed) };
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    return outcome(pass, [...diagnostics, { severity: 'error', message: error.message, ...error.range }]);
  }
}

const entryNames: readonly string[] = ['_start', 'start', 'entry'];

function image(pass: PassResult, placed: readonly PlacedSection[]): AssembledImage {
  const symbols = pass.symbols.list();
  const entry = entryNames
    .map((name) => symbols.find((symbol) => symbol.name === name && symbol.global && symbol.kind === 'label'))
    .find((symbol) => symbol !== undefined);
  return {
    origin: pass.origin,
    bytes: flatten(placed, pass.origin),
    bits: pass.firstBits,
    lines: [...pass.entries].sort((a, b) => a.address - b.address),
    symbols,
    entry: entry?.value ?? pass.origin,
    sections: placed.map(({ section, start, address }) => ({
      name: section.name,
      address,
      offset: section.kind === 'progbits' ? start - pass.origin : undefined,
      length: section.length,
      kind: section.kind,
    })),
  };
}
