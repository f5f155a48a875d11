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
