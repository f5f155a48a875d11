/** The interfaces between the engine and what surrounds it: linear memory, address translation, and the result of a run. */
import type { DecodedInstruction } from '../x86/iced';

export type Access = 'read' | 'write' | 'fetch';

/** Where a linear address leads. The engine reads it at once, so a host may reuse one object. */
export interface Translation {
  /** Host physical address of the very byte that was asked for. */
  readonly hpa: number;
  /** A later write to this page needs no new translation (it is writable at this privilege and already dirty). */
  readonly writable: boolean;
  /** CPL 3 may use the page too. */
  readonly user: boolean;
  /** False forbids a fast entry: the page must be asked for at each access (traced, emulated or device memory). */
  readonly fast: boolean;
}

/** What the engine asks its processor. */
export interface EngineHost {
  /**
   * Translates for one access at the current CPL, or as the supervisor when asked (descriptor tables, TSS). Asks the
   * architectural TLB, walks on a miss, sets accessed and dirty bits and emits events.
   * @param linear 0 to 2^32-1
   * @throws GuestFault (page fault), or whatever ends the instruction for the processor (a VM exit)
   */
  translate(linear: number, access: Access, supervisor: boolean): Translation;
}

/**
 * Memory by linear address, with all that an access may bring: translation, faults, page crossing, device memory.
 * Values are unsigned. An access that crosses a page is checked in both pages before any byte changes.
 */
export interface LinearMemory {
  /** @param size 1, 2 or 4 bytes. @throws GuestFault */
  read(linear: number, size: number, supervisor?: boolean): number;
  /** @param size 1, 2 or 4 bytes. @throws GuestFault before any byte is written */
  write(linear: number, size: number, value: number, supervisor?: boolean): void;
  read64(linear: number, supervisor?: boolean): bigint;
  write64(linear: number, value: bigint, supervisor?: boolean): void;
  /** Throws what a write would throw and writes nothing; the pages become dirty. */
  checkWrite(linear: number, size: number, supervisor?: boolean): void;
  /**
   * Instruction bytes from `linear` on: at least 1, at most `most`, never past the end of the page (a second call for
   * the next page is made only when the instruction really goes on there). Use `fetchInstruction` for whole instructions.
   * @throws GuestFault when the first byte may not be fetched
   */
  fetch(linear: number, most: number): Uint8Array;
}

/** Why `Engine.run` returned. */
export type RunReason =
  /** The budget is used up. */
  | 'budget'
  /** The next instruction is a system instruction (or invalid): `instruction` holds it; nothing of it has happened. */
  | 'system'
  /** The next instruction faulted: `fault` holds what was thrown; the state is that before the instruction. */
  | 'fault'
  /** The next instruction has a breakpoint. */
  | 'breakpoint'
  /** The last retired instruction touched a watched range: `address` is its HPA. */
  | 'watchpoint';

export interface RunResult {
  readonly reason: RunReason;
  /** Instructions retired by this call (each REP iteration counts 1). */
  readonly retired: number;
  readonly instruction?: DecodedInstruction;
  readonly fault?: unknown;
  readonly address?: number;
}

/** A range of host physical memory whose accesses stop the machine. */
export interface Watchpoint {
  readonly hpa: number;
  /** Bytes, at least 1. */
  readonly length: number;
  readonly read: boolean;
  readonly write: boolean;
}
