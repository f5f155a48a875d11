/** The assembler's product as plain data: bytes, line map, symbols and sections of a flat binary. */
import type { Diagnostic } from './diagnostics';

/** One emitted instruction or data item. */
export interface LineEntry {
  /** Address of the first byte, as labels count (org and vstart included). */
  readonly address: number;
  /** Bytes; 0 never occurs. */
  readonly length: number;
  readonly kind: 'code' | 'data' | 'reserved';
  /** Width of the code at this point. */
  readonly bits: 16 | 32 | 64;
  /** The outermost place: of a macro's instructions, the line that uses the macro. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 0-based column of the first character of the statement. */
  readonly column: number;
  /** The line in the macro body that made it. */
  readonly macro?: { readonly name: string; readonly file: string; readonly line: number };
}

/** Sorted by address. */
export type LineMap = readonly LineEntry[];

export interface AssembledSymbol {
  /** Full name: a local label `.x` of `main` is `main.x`. */
  readonly name: string;
  /** Address of a label, value of an `equ`; exact up to 2^53. */
  readonly value: number;
  readonly kind: 'label' | 'equ';
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 0-based. */
  readonly column: number;
  readonly global: boolean;
}

export interface AssembledSection {
  readonly name: string;
  /** Address of the first byte, as labels count. */
  readonly address: number;
  /** Offset of the first byte in `AssembledImage.bytes`; undefined for sections that hold no bytes. */
  readonly offset: number | undefined;
  readonly length: number;
  readonly kind: 'progbits' | 'nobits';
}

export interface AssembledImage {
  /** Address of the first byte. */
  readonly origin: number;
  readonly bytes: Uint8Array;
  /** Code width in force at the first instruction. */
  readonly bits: 16 | 32 | 64;
  readonly lines: LineMap;
  readonly symbols: readonly AssembledSymbol[];
  /** Address of `_start`, `start` or `entry` if one of them is declared `global`, otherwise `origin`. */
  readonly entry: number;
  readonly sections: readonly AssembledSection[];
}

export interface AssembleRequest {
  /** Key in `files` of the file to assemble. */
  readonly main: string;
  /** By URI or path with forward slashes; text for sources, bytes for `incbin`. */
  readonly files: ReadonlyMap<string, string | Uint8Array>;
  /** Keys that the host looked for and did not find; they are reported instead of asked for again. */
  readonly missing?: ReadonlySet<string>;
}

/** A macro or `%define`, for go-to-definition and hover. */
export interface MacroDefinition {
  readonly name: string;
  readonly kind: 'define' | 'macro';
  /** The replacement text of a `%define`, the parameter list of a `%macro`. */
  readonly text: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface AssembleResult {
  /** Absent when there are errors or files are needed. */
  readonly image?: AssembledImage;
  readonly diagnostics: readonly Diagnostic[];
  /** Keys of files that `%include` or `incbin` asked for and `files` lacks: add each to `files` or to `missing`, and assemble again. */
  readonly needs?: readonly string[];
  /** Symbols and macros as far as known, also when there are errors. */
  readonly symbols: readonly AssembledSymbol[];
  readonly macros: readonly MacroDefinition[];
}
