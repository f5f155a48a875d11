/**
 * One VMCS region in host memory: 4 KiB with the revision identifier, the abort indicator, the launch state and then the
 * fields in the order of their encodings (Intel SDM 3C, "Format of the VMCS Region").
 */
import {
  Field,
  type FieldEncoding,
  type FieldName,
  VMCS_LAUNCH_STATE_OFFSET,
  VMCS_REVISION_OFFSET,
  fieldInfo,
} from '../../../x86/vmx/fields';

/** The part of host memory that VMX structures need. */
export interface PhysicalMemory {
  /** Bytes of memory; addresses are 0 to size - 1. */
  readonly size: number;
  read32(hpa: number): number;
  write32(hpa: number, value: number): void;
}

const OFFSET = new Map<FieldName, number>();
for (const name of Object.keys(Field)) {
  // Keys of `Field` are field names, and each has its row.
  const key = name as FieldName;
  OFFSET.set(key, fieldInfo(Field[key])?.offset ?? 0);
}

/** The fields of a VMCS region by name, for the processor itself: no access rules apply. */
export class Vmcs {
  constructor(
    private readonly memory: PhysicalMemory,
    /** HPA of the region, 4 KiB aligned. */
    readonly address: number,
  ) {}

  /** Low 32 bits of a field. */
  get(name: FieldName): number {
    return this.memory.read32(this.address + (OFFSET.get(name) ?? 0)) >>> 0;
  }

  set(name: FieldName, value: number): void {
    this.memory.write32(this.address + (OFFSET.get(name) ?? 0), value >>> 0);
  }

  get64(name: FieldName): bigint {
    const at = this.address + (OFFSET.get(name) ?? 0);
    return BigInt(this.memory.read32(at) >>> 0) | (BigInt(this.memory.read32(at + 4) >>> 0) << 32n);
  }

  set64(name: FieldName, value: bigint): void {
    const at = this.address + (OFFSET.get(name) ?? 0);
    this.memory.write32(at, Number(value & 0xffffffffn));
    this.memory.write32(at + 4, Number((value >> 32n) & 0xffffffffn));
  }

  /** 32 bits of a field by encoding; bit 0 of the encoding selects the high half of a 64-bit field. */
  getEncoded(encoding: FieldEncoding): number | undefined {
    const at = this.locate(encoding);
    return at === undefined ? undefined : this.memory.read32(at) >>> 0;
  }

  /** Writes 32 bits (16 of a 16-bit field); false when there is no such field. */
  setEncoded(encoding: FieldEncoding, value: number): boolean {
    const at = this.locate(encoding);
    if (at === undefined) return false;
    this.memory.write32(at, fieldInfo(encoding)?.width === '16' ? value & 0xffff : value >>> 0);
    return true;
  }

  private locate(encoding: FieldEncoding): number | undefined {
    const info = fieldInfo(encoding & ~1);
    if (info === undefined) return undefined;
    const high = (encoding & 1) !== 0;
    if (high && info.width !== '64') return undefined;
    return this.address + info.offset + (high ? 4 : 0);
  }

  get revision(): number {
    return this.memory.read32(this.address + VMCS_REVISION_OFFSET) >>> 0;
  }

  get launched(): boolean {
    return this.memory.read32(this.address + VMCS_LAUNCH_STATE_OFFSET) !== 0;
  }

  set launched(value: boolean) {
    this.memory.write32(this.address + VMCS_LAUNCH_STATE_OFFSET, value ? 1 : 0);
  }
}
