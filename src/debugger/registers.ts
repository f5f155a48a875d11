/** The registers that a person can name, as one table: scopes, expressions and edits all derive from it. */
import type { CpuState } from '../engine/state';
import { OFF } from '../engine/state';
import { FLAG_IOPL, FLAG_NAMES, FLAG_RF, FLAG_VIF, FLAG_VIP, FLAG_VM } from '../x86/flags';
import { GPR_NAMES_32, SEGMENT_NAMES, type SegmentIndex } from '../x86/registers';

export type RegisterGroup = 'general' | 'flag' | 'segment' | 'control' | 'system';

export interface RegisterInfo {
  /** Lower case, as expressions name it. */
  readonly name: string;
  readonly group: RegisterGroup;
  readonly bits: number;
  read(state: CpuState): number;
  /** Absent for what a debugger must not set, because hidden state hangs on it. */
  write?(state: CpuState, value: number): void;
}

const GPRS: readonly RegisterInfo[] = GPR_NAMES_32.map((name, i) => ({
  name,
  group: 'general',
  bits: 32,
  read: (s) => s.gpr(i),
  write: (s, v) => s.setGpr(i, v),
}));

const EIP: RegisterInfo = {
  name: 'eip',
  group: 'general',
  bits: 32,
  read: (s) => s.eip,
  write: (s, v) => {
    s.eip = v;
  },
};

const EFLAGS: RegisterInfo = {
  name: 'eflags',
  group: 'general',
  bits: 32,
  read: (s) => s.eflags,
  write: (s, v) => {
    s.eflags = v;
  },
};

/** Flags that decide about privilege or are the processor's own notes. */
const READ_ONLY_FLAGS = FLAG_RF | FLAG_VM | FLAG_VIF | FLAG_VIP;

const FLAGS: readonly RegisterInfo[] = [
  ...FLAG_NAMES.map(([name, mask]): RegisterInfo => {
    const write = (s: CpuState, v: number): void => {
      s.eflags = (s.eflags & ~mask) | (v === 0 ? 0 : mask);
    };
    return {
      name: name.toLowerCase(),
      group: 'flag',
      bits: 1,
      read: (s) => ((s.eflags & mask) === 0 ? 0 : 1),
      ...((mask & READ_ONLY_FLAGS) === 0 ? { write } : {}),
    };
  }),
  { name: 'iopl', group: 'flag', bits: 2, read: (s) => (s.eflags & FLAG_IOPL) >> 12 },
];

/** Shown in the order in which manuals list them. */
const SEGMENT_ORDER: readonly SegmentIndex[] = [1, 2, 3, 0, 4, 5];

const SEGMENTS: readonly RegisterInfo[] = SEGMENT_ORDER.map((i) => ({
  name: SEGMENT_NAMES[i],
  group: 'segment',
  bits: 16,
  read: (s) => s.selector(i),
}));

const CONTROL: readonly RegisterInfo[] = [
  { name: 'cr0', group: 'control', bits: 32, read: (s) => s.cr0 },
  {
    name: 'cr2',
    group: 'control',
    bits: 32,
    read: (s) => s.cr2,
    write: (s, v) => {
      s.cr2 = v;
    },
  },
  { name: 'cr3', group: 'control', bits: 32, read: (s) => s.cr3 },
  { name: 'cr4', group: 'control', bits: 32, read: (s) => s.cr4 },
  { name: 'cpl', group: 'control', bits: 2, read: (s) => s.cpl },
];

const SYSTEM: readonly RegisterInfo[] = [
  { name: 'gdtr', group: 'system', bits: 32, read: (s) => s.word(OFF.gdtrBase) },
  { name: 'idtr', group: 'system', bits: 32, read: (s) => s.word(OFF.idtrBase) },
  { name: 'tr', group: 'system', bits: 16, read: (s) => s.selector(7) },
  { name: 'ldtr', group: 'system', bits: 16, read: (s) => s.selector(6) },
];

/** Every register that stands in a scope, in its order. */
export const REGISTERS: readonly RegisterInfo[] = [...GPRS, EIP, EFLAGS, ...FLAGS, ...SEGMENTS, ...CONTROL, ...SYSTEM];

/** Parts of the general registers: reachable in expressions, in no scope. */
const PARTS: readonly RegisterInfo[] = [
  ...GPR_NAMES_32.map((name, i): RegisterInfo => part(name.slice(1), i, 16, 0)),
  ...['al', 'cl', 'dl', 'bl'].map((name, i) => part(name, i, 8, 0)),
  ...['ah', 'ch', 'dh', 'bh'].map((name, i) => part(name, i, 8, 8)),
];

function part(name: string, index: number, bits: number, shift: number): RegisterInfo {
  const mask = ((1 << bits) - 1) << shift;
  return {
    name,
    group: 'general',
    bits,
    read: (s) => (s.gpr(index) & mask) >>> shift,
    write: (s, v) => s.setGpr(index, ((s.gpr(index) & ~mask) | ((v << shift) & mask)) >>> 0),
  };
}

const BY_NAME = new Map([...REGISTERS, ...PARTS].map((r) => [r.name, r]));

/** The register of a name in any case, undefined when there is none. */
export function registerNamed(name: string): RegisterInfo | undefined {
  return BY_NAME.get(name.toLowerCase());
}

export function registersOf(group: RegisterGroup): readonly RegisterInfo[] {
  return REGISTERS.filter((r) => r.group === group);
}
