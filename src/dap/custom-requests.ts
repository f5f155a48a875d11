/**
 * Ringside's own requests and events beside the Debug Adapter Protocol, typed once for the adapter, the extension and the
 * tests. Request names are `ringside/<noun>`; a client that does not know them loses views, never debugging.
 *
 * Addresses are numbers (32-bit guests); a `Location` carries the source line that a row leads to.
 */

/** Who has the processor: user, guest kernel, VMM, or nobody. */
export type Owner = 'user' | 'kernel' | 'vmm' | 'halted';

export interface Location {
  /** Path or URI as the source was opened. */
  readonly path: string;
  /** 1-based. */
  readonly line: number;
  /** Nearest label at or before the address, with offset, such as `switch_task+0x4`. */
  readonly symbol?: string;
}

/** A moment of the machine. */
export interface PositionData {
  /** Guest instructions executed since reset. */
  readonly count: number;
  /** Step inside a VMM handler, 0 outside. */
  readonly step: number;
}

export interface NamedValue {
  readonly name: string;
  readonly value: string;
  /** Guest linear address that the row leads to, where it has one. */
  readonly address?: number;
}

/** One level of the Machine tree below its root. */
export interface MachineGroup {
  /** Constant between stops, so that the tree keeps its shape. */
  readonly id: string;
  readonly label: string;
  readonly description: string;
  readonly rows: readonly NamedValue[];
}

export interface MachineData {
  readonly profile: string;
  readonly cpu: string;
  readonly mmu: string;
  readonly memoryMiB: number;
  readonly guestTime: number;
  readonly cycles: number;
  readonly position: PositionData;
  readonly vms: readonly {
    readonly name: string;
    readonly guest: string;
    readonly vcpus: readonly {
      readonly name: string;
      readonly owner: Owner;
      /** Ring that the guest believes in (virtual CPL). */
      readonly ring: number;
      /** Ring of the real processor. */
      readonly realRing: number;
      readonly root: 'root' | 'non-root' | 'off';
      readonly instructionPointer: number;
      readonly location?: Location;
      readonly groups: readonly MachineGroup[];
    }[];
  }[];
  readonly host: MachineGroup;
}

export interface TransitionRow {
  /** Event index: constant identity. */
  readonly index: number;
  readonly from: number;
  readonly to: number;
  readonly cause: string;
  readonly vector?: number;
  readonly address: number;
  readonly location?: Location;
  readonly position: PositionData;
}

export interface ExitRow {
  readonly index: number;
  readonly reason: number;
  readonly reasonName: string;
  readonly qualification: string;
  readonly handler: string;
  /** Disassembly of the guest instruction that exited, where it can still be read. */
  readonly instruction?: string;
  readonly address: number;
  readonly location?: Location;
  readonly position: PositionData;
}

export interface ExitGroup {
  readonly reason: number;
  readonly reasonName: string;
  readonly count: number;
  readonly cyclesShare: number;
  readonly latest: readonly ExitRow[];
}

export interface PageRow {
  /** First guest-virtual address of the row. */
  readonly gva: number;
  /** Bytes covered: a row folds equal neighbours (contiguous targets, equal flags). */
  readonly length: number;
  readonly guest: {
    readonly entry: number;
    readonly entryAddress: number;
    readonly flags: string;
    readonly gpa: number;
  };
  readonly second?: {
    readonly entry: number;
    readonly entryAddress: number;
    readonly flags: string;
    readonly hpa: number;
  };
  readonly hpa?: number;
  /** The row differs from the last stop; `was` says how it stood then. */
  readonly changed: boolean;
  readonly was?: string;
}

export interface PageTablesData {
  readonly kind: 'none' | 'shadow' | 'nested';
  readonly paging: boolean;
  readonly guestRoot: number;
  readonly secondRoot?: number;
  readonly rows: readonly PageRow[];
  /** Rows left out beyond the limit asked for. */
  readonly omitted: number;
}

export interface FactsData {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly digest: string;
}

export interface SourceOfAddress {
  readonly location?: Location;
}

/** Request name -> arguments and response body. */
export interface CustomRequests {
  'ringside/machine': { arguments: Record<string, never>; body: MachineData };
  'ringside/transitions': {
    arguments: { most: number };
    body: { total: number; rows: readonly TransitionRow[] };
  };
  'ringside/exits': {
    arguments: { mostPerGroup: number };
    body: { total: number; cyclesShare: number; groups: readonly ExitGroup[] };
  };
  'ringside/pageTables': { arguments: { most: number }; body: PageTablesData };
  'ringside/facts': { arguments: Record<string, never>; body: FactsData };
  'ringside/serialInput': { arguments: { text: string }; body: Record<string, never> };
  'ringside/locate': { arguments: { address: number }; body: SourceOfAddress };
}

export type CustomRequestName = keyof CustomRequests;

/** Events that the adapter sends beside DAP's. */
export interface CustomEvents {
  /** Bytes (as latin-1 text) that a guest UART sent. */
  'ringside/serial': { port: string; text: string };
}
