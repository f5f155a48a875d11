/** The EPT walk: GPA to HPA through the 4-level table of the current EPT pointer (Intel SDM 3C, "EPT Translation Mechanism"). */
import { PAGE_SIZE } from '../../../x86/paging-bits';
import {
  EPT_ENTRY_BYTES,
  EPT_LEVELS,
  type EptEntry,
  eptIndex,
  eptMisconfiguration,
  readEptEntry,
} from '../../../x86/vmx/ept';
import { ExitReason } from '../../../x86/vmx/exit-reasons';
import { EptViolation } from '../../../x86/vmx/qualification';
import { type SecondStage, type SecondStageAccess, type SecondStageTranslation, VmExit } from './interface';
import type { PhysicalMemory } from './vmcs';

/** Called for each entry that the walk reads: level 4 to 1, its HPA, its low 32 bits. */
export type EptReference = (level: number, address: number, value: number) => void;

const NEEDS: Readonly<Record<SecondStageAccess, keyof Pick<EptEntry, 'readable' | 'writable' | 'executable'>>> = {
  read: 'readable',
  write: 'writable',
  fetch: 'executable',
};
const ACCESS_BIT: Readonly<Record<SecondStageAccess, number>> = {
  read: EptViolation.read,
  write: EptViolation.write,
  fetch: EptViolation.fetch,
};

export class EptWalk implements SecondStage {
  /** @param root HPA of the level-4 table (bits 35:12 of the EPT pointer) */
  constructor(
    private readonly memory: PhysicalMemory,
    private readonly root: number,
    private readonly reference: EptReference,
  ) {}

  translate(gpa: number, access: SecondStageAccess, linear: number | undefined, walk: boolean): SecondStageTranslation {
    let table = this.root;
    let readable = true;
    let writable = true;
    let executable = true;
    for (let level = EPT_LEVELS; level >= 1; level--) {
      const at = table + eptIndex(gpa, level) * EPT_ENTRY_BYTES;
      const low = this.memory.read32(at) >>> 0;
      this.reference(level, at, low);
      const entry = readEptEntry(BigInt(low) | (BigInt(this.memory.read32(at + 4) >>> 0) << 32n));
      if (!entry.readable && !entry.writable && !entry.executable) {
        throw violation(gpa, access, linear, walk, 0);
      }
      if (eptMisconfiguration(entry, level) !== undefined) {
        throw new VmExit(ExitReason.eptMisconfiguration, 0, { guestPhysical: gpa });
      }
      readable &&= entry.readable;
      writable &&= entry.writable;
      executable &&= entry.executable;
      if (level > 1 && !(level === 2 && entry.large)) {
        table = entry.address;
        continue;
      }
      if (!{ readable, writable, executable }[NEEDS[access]]) {
        const rights =
          (readable ? EptViolation.readable : 0) |
          (writable ? EptViolation.writable : 0) |
          (executable ? EptViolation.executable : 0);
        throw violation(gpa, access, linear, walk, rights);
      }
      const pageSize = level === 1 ? PAGE_SIZE : 512 * PAGE_SIZE;
      return { hpa: entry.address + (gpa % pageSize), readable, writable, executable, pageSize };
    }
    // Level 1 always returns or throws.
    throw violation(gpa, access, linear, walk, 0);
  }
}

function violation(
  gpa: number,
  access: SecondStageAccess,
  linear: number | undefined,
  walk: boolean,
  rights: number,
): VmExit {
  const place = linear === undefined ? 0 : EptViolation.linearValid | (walk ? 0 : EptViolation.finalAccess);
  return new VmExit(ExitReason.eptViolation, ACCESS_BIT[access] | rights | place, {
    guestPhysical: gpa,
    guestLinear: linear,
  });
}
