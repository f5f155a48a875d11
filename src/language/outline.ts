/** Document symbols: labels with their local labels, constants, macros and structures of one file. */
import { type DocumentSymbol, SymbolKind } from 'vscode-languageserver';
import { isSolid, parseText, splitLines, type Token } from '../assembler';
import { rangeOfToken } from './places';

function entry(token: Token, kind: SymbolKind, detail: string): DocumentSymbol {
  const range = rangeOfToken(token);
  return { name: token.text, detail, kind, range, selectionRange: range, children: [] };
}

function definedByDirective(tokens: readonly Token[]): DocumentSymbol | undefined {
  const [directive, name] = tokens.filter(isSolid);
  if (directive?.kind !== 'macro' || name?.kind !== 'word') return undefined;
  const word = directive.text.toLowerCase();
  if (word === '%macro' || word === '%imacro') return entry(name, SymbolKind.Function, 'macro');
  return /^%i?x?define$|^%i?assign$/.test(word) ? entry(name, SymbolKind.Constant, word) : undefined;
}

/**
 * The outline of the text.
 * @param isMacro tells the use of a macro from a label without a colon
 */
export function outline(text: string, uri: string, isMacro: (name: string) => boolean): DocumentSymbol[] {
  const symbols: DocumentSymbol[] = [];
  let parent: DocumentSymbol | undefined;
  const lines = splitLines(text);
  lines.forEach((content, index) => {
    const parsed = parseText(content, uri, index + 1);
    const directive = definedByDirective(parsed.tokens);
    if (directive) {
      symbols.push(directive);
      return;
    }
    const operation = parsed.operation?.text.toLowerCase();
    const structure = operation === 'struc' ? parsed.rest[0] : undefined;
    if (structure) {
      parent = entry(structure, SymbolKind.Struct, 'struc');
      symbols.push(parent);
    }
    const { label } = parsed;
    if (!label || (!parsed.colon && isMacro(label.text))) return;
    const isLocal = label.text.startsWith('.') && !label.text.startsWith('..');
    if (isLocal && parent) {
      const kind = parent.kind === SymbolKind.Struct ? SymbolKind.Field : SymbolKind.Function;
      const child = entry(label, kind, operation ?? '');
      (parent.children ??= []).push(child);
      parent.range = { start: parent.range.start, end: child.range.end };
      return;
    }
    const symbol = entry(label, operation === 'equ' ? SymbolKind.Constant : SymbolKind.Function, operation ?? '');
    symbols.push(symbol);
    if (operation !== 'equ') parent = symbol;
  });
  return symbols;
}
