/** Exception vectors with class and error code (Intel SDM 3A, "Interrupt and Exception Handling"). */

export type ExceptionClass = 'fault' | 'trap' | 'abort' | 'interrupt';
/** For the double-fault table: benign, contributory, or page fault. */
export type ExceptionSeverity = 'benign' | 'contributory' | 'page-fault' | 'double';

export interface ExceptionInfo {
  readonly vector: number;
  readonly mnemonic: string;
  readonly name: string;
  readonly kind: ExceptionClass;
  readonly errorCode: boolean;
  readonly severity: ExceptionSeverity;
}

const row = (
  vector: number,
  mnemonic: string,
  name: string,
  kind: ExceptionClass,
  errorCode: boolean,
  severity: ExceptionSeverity = 'benign',
): ExceptionInfo => ({ vector, mnemonic, name, kind, errorCode, severity });

export const EXCEPTIONS: readonly ExceptionInfo[] = [
  row(0, '#DE', 'Divide Error', 'fault', false, 'contributory'),
  row(1, '#DB', 'Debug Exception', 'trap', false),
  row(2, 'NMI', 'Non-maskable Interrupt', 'interrupt', false),
  row(3, '#BP', 'Breakpoint', 'trap', false),
  row(4, '#OF', 'Overflow', 'trap', false),
  row(5, '#BR', 'BOUND Range Exceeded', 'fault', false),
  row(6, '#UD', 'Invalid Opcode', 'fault', false),
  row(7, '#NM', 'Device Not Available', 'fault', false),
  row(8, '#DF', 'Double Fault', 'abort', true, 'double'),
  row(10, '#TS', 'Invalid TSS', 'fault', true, 'contributory'),
  row(11, '#NP', 'Segment Not Present', 'fault', true, 'contributory'),
  row(12, '#SS', 'Stack-Segment Fault', 'fault', true, 'contributory'),
  row(13, '#GP', 'General Protection', 'fault', true, 'contributory'),
  row(14, '#PF', 'Page Fault', 'fault', true, 'page-fault'),
  row(16, '#MF', 'x87 Floating-Point Error', 'fault', false),
  row(17, '#AC', 'Alignment Check', 'fault', true),
  row(18, '#MC', 'Machine Check', 'abort', false),
  row(19, '#XM', 'SIMD Floating-Point Exception', 'fault', false),
];

const BY_VECTOR = new Map(EXCEPTIONS.map((e) => [e.vector, e]));

/** The exception of a vector (0 to 255), or undefined for an interrupt vector. */
export function exceptionInfo(vector: number): ExceptionInfo | undefined {
  return BY_VECTOR.get(vector);
}

export const DE = 0;
export const DB = 1;
export const BP = 3;
export const OF = 4;
export const BR = 5;
export const UD = 6;
export const NM = 7;
export const DF = 8;
export const TS = 10;
export const NP = 11;
export const SS_FAULT = 12;
export const GP = 13;
export const PF = 14;
export const MF = 16;
export const AC = 17;

/** Page-fault error code bits (Intel SDM 3A, "Page-Fault Exceptions"). */
export const PF_PRESENT = 1;
export const PF_WRITE = 2;
export const PF_USER = 4;
export const PF_RESERVED = 8;

/**
 * A fault that an instruction raises: thrown while an instruction executes, before it has changed any register;
 * whoever runs the processor catches it and delivers it.
 */
export class GuestFault extends Error {
  /**
   * @param vector 0 to 31
   * @param errorCode pushed for the vectors that have one, undefined otherwise
   * @param linear the faulting linear address, loaded into CR2 (page faults only)
   */
  constructor(
    readonly vector: number,
    readonly errorCode?: number,
    readonly linear?: number,
  ) {
    super(`${exceptionInfo(vector)?.mnemonic ?? `vector ${vector}`}`);
  }
}
