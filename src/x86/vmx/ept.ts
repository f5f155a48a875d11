/** EPT paging-structure entries and the EPT pointer (Intel SDM 3C, "The Extended Page Table Mechanism (EPT)"). */

export const EPT_READ = 1 << 0;
export const EPT_WRITE = 1 << 1;
export const EPT_EXECUTE = 1 << 2;
export const EPT_RWX = EPT_READ | EPT_WRITE | EPT_EXECUTE;
/** Bits 5:3 of a leaf: memory type. */
export const EPT_MEMORY_TYPE_SHIFT = 3;
export const EPT_TYPE_UNCACHEABLE = 0;
export const EPT_TYPE_WRITE_BACK = 6;
/** Bit 7 of a level-2 (or 3) entry: it maps a large page. */
export const EPT_LARGE = 1 << 7;
export const EPT_ENTRY_BYTES = 8;
/** Levels of an EPT walk; level 1 is the table of 4 KiB leaves. */
export const EPT_LEVELS = 4;
/** Widest physical address that entries may hold here. */
export const EPT_ADDRESS_BITS = 36;
export const EPT_ADDRESS_LIMIT = 2 ** EPT_ADDRESS_BITS;

/** An EPT entry taken apart. */
export interface EptEntry {
  readonly readable: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
  readonly memoryType: number;
  readonly large: boolean;
  /** HPA of the next table or of the page (bits 35:12). */
  readonly address: number;
  /** Bits 51:36: must be zero. */
  readonly reservedHigh: boolean;
}

export function readEptEntry(entry: bigint): EptEntry {
  const low = Number(entry & 0xffffffffn);
  return {
    readable: (low & EPT_READ) !== 0,
    writable: (low & EPT_WRITE) !== 0,
    executable: (low & EPT_EXECUTE) !== 0,
    memoryType: (low >>> EPT_MEMORY_TYPE_SHIFT) & 7,
    large: (low & EPT_LARGE) !== 0,
    address: Number(entry & 0xf_ffff_f000n),
    reservedHigh: (entry & 0xf_fff0_0000_0000n) !== 0n,
  };
}

/** An entry that points to the next table, all rights. */
export function eptTableEntry(hpa: number): bigint {
  return BigInt(hpa) | BigInt(EPT_RWX);
}

/** A 4 KiB leaf, write-back. @param rights EPT_READ, EPT_WRITE, EPT_EXECUTE or-ed */
export function eptLeafEntry(hpa: number, rights: number): bigint {
  return BigInt(hpa) | BigInt(rights | (EPT_TYPE_WRITE_BACK << EPT_MEMORY_TYPE_SHIFT));
}

/** The EPT pointer of a 4-level table, write-back, no accessed and dirty flags. */
export function eptPointer(tableHpa: number): bigint {
  return BigInt(tableHpa) | BigInt(((EPT_LEVELS - 1) << 3) | EPT_TYPE_WRITE_BACK);
}

/** Index of a GPA's entry in the table of a level (1 to 4). */
export function eptIndex(gpa: number, level: number): number {
  return Math.floor(gpa / 2 ** (12 + 9 * (level - 1))) % 512;
}

/**
 * The rule that a present entry breaks (then the access is an EPT misconfiguration), or undefined.
 * @param level of its table, 4 to 1
 */
export function eptMisconfiguration(entry: EptEntry, level: number): string | undefined {
  if (entry.writable && !entry.readable) return 'an entry that may be written must be readable';
  if (entry.executable && !entry.readable) return 'execute-only entries are not supported by this processor';
  if (entry.reservedHigh) return `address bits above ${EPT_ADDRESS_BITS - 1} must be zero`;
  const leaf = level === 1 || (level === 2 && entry.large);
  if (leaf && [2, 3, 7].includes(entry.memoryType)) return `memory type ${entry.memoryType} is reserved`;
  if (!leaf && (entry.memoryType !== 0 || (level > 2 && entry.large)))
    return 'bits 7:3 of an entry for a table must be zero';
  if (leaf && level === 2 && entry.address % 0x20_0000 !== 0)
    return 'bits 20:12 of an entry for a 2 MiB page must be zero';
  return undefined;
}
