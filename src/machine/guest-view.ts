/**
 * The guest as an outside observer sees it, the same shape under every technique: registers as the guest believes them to
 * be, its memory by GPA, and where that memory really lies. Reading changes nothing.
 */
import type { CpuState } from '../engine/state';
import type { Platform } from './platform';

/** Who owns the processor at this moment. */
export type ProcessorOwner = 'user' | 'kernel' | 'vmm' | 'halted';

/** Where a linear address leads, found without side effects (no accessed or dirty bit is set, no TLB entry is made). */
export interface Translated {
  readonly gpa: number;
  /** Undefined where no host frame backs the GPA. */
  readonly hpa: number | undefined;
  readonly writable: boolean;
  readonly user: boolean;
  readonly accessed: boolean;
  readonly dirty: boolean;
  readonly global: boolean;
  /** Bytes of the page that holds the address: 4096 or 4 MiB. */
  readonly pageSize: number;
}

/** The second stage of a row: the shadow or nested entry that the hardware really uses. */
export interface SecondEntry {
  readonly kind: 'shadow' | 'nested' | 'none';
  /** Raw entry; undefined while it has not been filled. */
  readonly entry?: number;
  /** HPA of the entry. */
  readonly address?: number;
  /** HPA that the row's first page has in the end. */
  readonly hpa?: number;
}

/** One mapped page of the current root. */
export interface PageTableRow {
  readonly gva: number;
  readonly size: number;
  /** The leaf entry in the guest's table and its GPA. */
  readonly guestEntry: number;
  readonly guestEntryAddress: number;
  readonly gpa: number;
  readonly second: SecondEntry;
  /** The second entry no longer agrees with the guest's (awaiting a flush). */
  readonly stale?: boolean;
}

export interface GuestView {
  /** Number of the VM, 0 on the bare machine. */
  readonly vm: number;
  /** Virtual registers (virtual CPL, CS, IF, control registers); read only, may be a copy. */
  readonly state: CpuState;
  /** CPL of the real processor. */
  readonly realCpl: number;
  /** VMX operation: off without VMX. */
  readonly root: 'root' | 'non-root' | 'off';
  readonly owner: ProcessorOwner;
  /** Guest memory size in bytes. */
  readonly gpaSize: number;
  /** Guest time: retired and emulated instructions plus halted ticks of this VM. */
  readonly guestTime: number;
  readonly platform: Platform;
  /** A copy of n bytes; bytes that are not RAM read as all ones. */
  readGpa(gpa: number, n: number): Uint8Array;
  /** Through the single memory writer; bytes that are not RAM are dropped. Users' edits go through the input log instead. */
  writeGpa(gpa: number, bytes: Uint8Array): void;
  gpaToHpa(gpa: number): number | undefined;
  translate(gva: number): Translated | undefined;
  /** Bytes that the guest's UART sent, as latin1 text. */
  deviceOutput(): string;
  /** Mapped pages of the current root, at most `most` rows (default 1024); empty while guest paging is off. */
  pageTables(most?: number): PageTableRow[];
}
