/** Hover texts: symbols with their values, macros with their bodies, instructions with their facts. */
import { type Hover, MarkupKind, type Position } from 'vscode-languageserver';
import { type AssembledSymbol, isMnemonic, type MacroDefinition, splitLines, textOfFile } from '../assembler';
import type { Analysis } from './analysis';
import { isBlockMacro, macrosNamed, symbolNamed } from './definition';
import { instructionHover } from './instruction-hover';
import { placeAt, rangeOfToken } from './places';

function hexadecimal(value: number): string {
  return value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

function sourceLine(analysis: Analysis, { file, line }: { readonly file: string; readonly line: number }): string {
  const content = analysis.files.get(file);
  return content === undefined ? '' : (splitLines(textOfFile(content))[line - 1] ?? '').trim();
}

function where({ file, line }: { readonly file: string; readonly line: number }): string {
  return `${decodeURIComponent(file.split('/').pop() ?? file)}, line ${line}`;
}

function code(text: string): string {
  return `\`\`\`ringside-asm\n${text}\n\`\`\``;
}

function symbolText(analysis: Analysis, symbol: AssembledSymbol): string {
  const value =
    symbol.kind === 'label'
      ? `label at ${hexadecimal(symbol.value)}`
      : `equ ${symbol.value} (${hexadecimal(symbol.value)})`;
  return [
    `**${symbol.name}**: ${value}${symbol.global ? ', global' : ''}`,
    code(sourceLine(analysis, symbol)),
    where(symbol),
  ].join('\n\n');
}

function macroText(analysis: Analysis, macro: MacroDefinition): string {
  const title =
    macro.kind === 'define' ? `**${macro.name}**: %define` : `**${macro.name}**: macro with ${macro.text} parameters`;
  return [title, code(sourceLine(analysis, macro)), where(macro)].join('\n\n');
}

/** The hover at the position. */
export function findHover(analysis: Analysis, uri: string, position: Position): Hover | undefined {
  const content = analysis.files.get(uri);
  const place =
    content === undefined ? undefined : placeAt(content, uri, position, (name) => isBlockMacro(analysis, name));
  if (place?.token.kind !== 'word') return undefined;
  const macro = macrosNamed(analysis, place.name)[0];
  const symbol = symbolNamed(analysis, place.name);
  const instruction = isMnemonic(place.token.text) ? instructionHover(place.token.text) : undefined;
  const value = macro ? macroText(analysis, macro) : symbol ? symbolText(analysis, symbol) : instruction;
  return value === undefined
    ? undefined
    : { contents: { kind: MarkupKind.Markdown, value }, range: rangeOfToken(place.token) };
}
