/** The assembler's public face. */
export { assemble } from './assemble';
export { type FileReader, gather } from './gather';
export type { Diagnostic } from './diagnostics';
export type {
  AssembledImage,
  AssembledSymbol,
  AssembleResult,
  MacroDefinition,
} from './image';
export { listing } from './listing';
export { parseText } from './line-parser';
export { resolveKey, textOfFile } from './source-files';
export { endColumn, isSolid, splitLines, type Token, tokenize } from './tokens';
export { formsOf, isMnemonic } from './vocabulary';
