/** Go to definition: labels, constants and macros in all files of the program, and the file of an include. */
import type { Location, Position } from 'vscode-languageserver';
import type { AssembledSymbol, MacroDefinition } from '../assembler';
import { resolveKey } from '../assembler';
import type { Analysis } from './analysis';
import { type Place, placeAt, toRange } from './places';

/** The symbol of a full name. */
export function symbolNamed(analysis: Analysis, name: string): AssembledSymbol | undefined {
  return analysis.result.symbols.find((symbol) => symbol.name === name);
}

/** The macros of a name, the latest definition first. */
export function macrosNamed(analysis: Analysis, name: string): readonly MacroDefinition[] {
  return analysis.result.macros.filter((macro) => macro.name === name).reverse();
}

/** True for the name of a multi-line macro. */
export function isBlockMacro(analysis: Analysis, name: string): boolean {
  return analysis.result.macros.some((macro) => macro.kind === 'macro' && macro.name === name);
}

function definitionSpot({ file, line, column, name }: MacroDefinition | AssembledSymbol): Location {
  const written = name.includes('.') && !name.startsWith('.') ? name.slice(name.indexOf('.')) : name;
  return { uri: file, range: toRange({ line, column, endColumn: column + written.length }) };
}

/** The file that an `%include` or `incbin` on the line names, when the place is its string. */
function includedFile({ token, line }: Place, uri: string, analysis: Analysis): Location | undefined {
  if (token.kind !== 'string' || !line.some(({ text }) => /^(%include|incbin)$/i.test(text))) return undefined;
  const path = token.text.slice(1, -1);
  const key = [uri, analysis.main]
    .map((base) => resolveKey(path, base))
    .find((candidate) => analysis.files.has(candidate));
  return key === undefined ? undefined : { uri: key, range: toRange({ line: 1, column: 0, endColumn: 0 }) };
}

/** Where the thing at the position is defined. */
export function findDefinition(analysis: Analysis, uri: string, position: Position): Location[] {
  const content = analysis.files.get(uri);
  const place =
    content === undefined ? undefined : placeAt(content, uri, position, (name) => isBlockMacro(analysis, name));
  if (!place) return [];
  const file = includedFile(place, uri, analysis);
  if (file) return [file];
  if (place.token.kind !== 'word') return [];
  const macro = macrosNamed(analysis, place.name)[0];
  if (macro) return [definitionSpot(macro)];
  const symbol = symbolNamed(analysis, place.name);
  return symbol ? [definitionSpot(symbol)] : [];
}
