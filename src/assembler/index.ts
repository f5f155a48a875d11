/** The assembler's public face. */
export { assemble } from './assemble';
export { type FileReader, gather } from './gather';
export type { Diagnostic, Severity, SourceRange } from './diagnostics';
export type {
  AssembledImage,
  AssembledSection,
  AssembledSymbol,
  AssembleRequest,
  AssembleResult,
  LineEntry,
  LineMap,
  MacroDefinition,
} from './image';
export { listing } from './listing';
export { parseText, type ParsedLine } from './line-parser';
export { registerNamed } from './register-names';
export { resolveKey, textOfFile } from './source-files';
export { endColumn, isSolid, splitLines, type Token, tokenize } from './tokens';
export { formsOf, isDirective, isMnemonic, isPrefix } from './vocabulary';
