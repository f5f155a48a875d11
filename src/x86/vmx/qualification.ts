/**
 * Exit qualifications, packed by the processor and unpacked by VMMs and views (Intel SDM 3C, "Basic VM-Exit
 * Information": its tables for control-register accesses, MOV DR, I/O instructions and EPT violations).
 */
import { GPR_NAMES_32 } from '../registers';
import { ExitReason } from './exit-reasons';

export const CrAccessType = { moveTo: 0, moveFrom: 1, clts: 2, lmsw: 3 } as const;

export interface CrAccess {
  readonly register: number;
  /** A CrAccessType. */
  readonly type: number;
  readonly gpr: number;
  /** LMSW with a memory operand. */
  readonly memory: boolean;
  /** LMSW: its 16-bit source. */
  readonly source: number;
}

export function packCrAccess(access: Partial<CrAccess>): number {
  const { register = 0, type = 0, gpr = 0, memory = false, source = 0 } = access;
  return (register | (type << 4) | (memory ? 1 << 6 : 0) | (gpr << 8) | (source << 16)) >>> 0;
}

export function unpackCrAccess(q: number): CrAccess {
  return {
    register: q & 0xf,
    type: (q >>> 4) & 3,
    memory: (q & (1 << 6)) !== 0,
    gpr: (q >>> 8) & 0xf,
    source: q >>> 16,
  };
}

export interface DrAccess {
  readonly register: number;
  readonly direction: 'to' | 'from';
  readonly gpr: number;
}

export function packDrAccess({ register, direction, gpr }: DrAccess): number {
  return register | (direction === 'from' ? 1 << 4 : 0) | (gpr << 8);
}

export function unpackDrAccess(q: number): DrAccess {
  return { register: q & 7, direction: (q & (1 << 4)) === 0 ? 'to' : 'from', gpr: (q >>> 8) & 0xf };
}

export interface IoAccess {
  readonly port: number;
  /** 1, 2 or 4 bytes. */
  readonly size: number;
  readonly direction: 'in' | 'out';
  readonly string: boolean;
  readonly rep: boolean;
  readonly immediate: boolean;
}

export function packIoAccess(io: IoAccess): number {
  const bits =
    (io.direction === 'in' ? 1 << 3 : 0) |
    (io.string ? 1 << 4 : 0) |
    (io.rep ? 1 << 5 : 0) |
    (io.immediate ? 1 << 6 : 0);
  return ((io.port << 16) | bits | (io.size - 1)) >>> 0;
}

export function unpackIoAccess(q: number): IoAccess {
  return {
    port: q >>> 16,
    size: (q & 7) + 1,
    direction: (q & (1 << 3)) === 0 ? 'out' : 'in',
    string: (q & (1 << 4)) !== 0,
    rep: (q & (1 << 5)) !== 0,
    immediate: (q & (1 << 6)) !== 0,
  };
}

/** EPT-violation qualification bits. */
export const EptViolation = {
  read: 1 << 0,
  write: 1 << 1,
  fetch: 1 << 2,
  /** What the entries walked allow together; all clear when one was not present. */
  readable: 1 << 3,
  writable: 1 << 4,
  executable: 1 << 5,
  linearValid: 1 << 7,
  /** The access was to the translation of the linear address, not to a paging structure on the way (valid with bit 7). */
  finalAccess: 1 << 8,
} as const;

const EPT_WORDS: readonly (readonly [bit: number, text: string])[] = [
  [EptViolation.read, 'read'],
  [EptViolation.write, 'write'],
  [EptViolation.fetch, 'fetch'],
  [EptViolation.readable, 'readable'],
  [EptViolation.writable, 'writable'],
  [EptViolation.executable, 'executable'],
  [EptViolation.linearValid, 'linear address valid'],
  [EptViolation.finalAccess, 'final access'],
];

/** An exit qualification in words, for the exit reasons whose qualification is a bit field; hexadecimal otherwise. */
export function describeQualification(reason: number, q: number): string {
  switch (reason & 0xffff) {
    case ExitReason.controlRegister: {
      const access = unpackCrAccess(q);
      if (access.type === CrAccessType.clts) return 'clts';
      if (access.type === CrAccessType.lmsw) return `lmsw 0x${access.source.toString(16)}`;
      const gpr = GPR_NAMES_32[access.gpr] ?? '?';
      return access.type === CrAccessType.moveTo
        ? `mov cr${access.register}, ${gpr}`
        : `mov ${gpr}, cr${access.register}`;
    }
    case ExitReason.movDr: {
      const access = unpackDrAccess(q);
      const gpr = GPR_NAMES_32[access.gpr] ?? '?';
      return access.direction === 'to' ? `mov dr${access.register}, ${gpr}` : `mov ${gpr}, dr${access.register}`;
    }
    case ExitReason.io: {
      const io = unpackIoAccess(q);
      const form = io.string ? `${io.rep ? 'rep ' : ''}${io.direction}s` : io.direction;
      return `${form} port 0x${io.port.toString(16)}, ${io.size === 1 ? '1 byte' : `${io.size} bytes`}`;
    }
    case ExitReason.eptViolation:
      return EPT_WORDS.filter(([bit]) => (q & bit) !== 0)
        .map(([, text]) => text)
        .join(', ');
    default:
      return `0x${(q >>> 0).toString(16)}`;
  }
}
