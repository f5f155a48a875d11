/**
 * The interruption-information format that VM entry, VM exit and IDT-vectoring share (Intel SDM 3C, "VM-Entry Controls
 * for Event Injection", "Information for VM Exits Due to Vectored Events").
 */
import { exceptionInfo } from '../exceptions';

export const INTERRUPTION_VALID = 0x8000_0000;
/** Bit 11: an error code goes with the event. */
export const INTERRUPTION_ERROR_CODE = 1 << 11;

const TYPE_NAMES = [
  'external interrupt',
  'reserved',
  'NMI',
  'hardware exception',
  'software interrupt',
  'privileged software exception',
  'software exception',
  'other event',
] as const;

export interface Interruption {
  readonly vector: number;
  /** 0 to 7, see the manual's table; 0 external interrupt, 3 hardware exception, 4 software interrupt, ... */
  readonly type: number;
  readonly hasErrorCode: boolean;
}

/** Packs an event, valid bit set. */
export function packInterruption(vector: number, type: number, hasErrorCode: boolean): number {
  return (INTERRUPTION_VALID | (type << 8) | (hasErrorCode ? INTERRUPTION_ERROR_CODE : 0) | vector) >>> 0;
}

/** The event of an interruption-information field, or undefined when its valid bit is clear. */
export function unpackInterruption(field: number): Interruption | undefined {
  if ((field & INTERRUPTION_VALID) === 0) return undefined;
  return { vector: field & 0xff, type: (field >>> 8) & 7, hasErrorCode: (field & INTERRUPTION_ERROR_CODE) !== 0 };
}

/** A field in words: `hardware exception 14 (#PF) with error code`, or `none`. */
export function describeInterruption(field: number): string {
  const event = unpackInterruption(field);
  if (event === undefined) return 'none';
  const exception = event.type === 3 || event.type === 6 ? exceptionInfo(event.vector) : undefined;
  const name = exception === undefined ? '' : ` (${exception.mnemonic})`;
  return `${TYPE_NAMES[event.type]} ${event.vector}${name}${event.hasErrorCode ? ' with error code' : ''}`;
}
