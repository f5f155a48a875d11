/** Registers as text: the value, what it means, and the parts that unfold below it. */
import type { CpuState } from '../engine/state';
import { AR_DB, AR_DPL_SHIFT, AR_G, AR_P, AR_S, AR_TYPE, AR_UNUSABLE, OFF } from '../engine/state';
import { FLAG_NAMES } from '../x86/flags';
import {
  CR0_CD,
  CR0_EM,
  CR0_ET,
  CR0_MP,
  CR0_NE,
  CR0_NW,
  CR0_PE,
  CR0_PG,
  CR0_AM,
  CR0_TS,
  CR0_WP,
  CR4_DE,
  CR4_MCE,
  CR4_OSFXSR,
  CR4_PAE,
  CR4_PCE,
  CR4_PCIDE,
  CR4_PGE,
  CR4_PSE,
  CR4_PVI,
  CR4_SMAP,
  CR4_SMEP,
  CR4_TSD,
  CR4_UMIP,
  CR4_VME,
  CR4_VMXE,
} from '../x86/paging-bits';
import { SEGMENT_NAMES, type SegmentIndex } from '../x86/registers';
import { hex, hex32 } from './addresses';
import type { RegisterInfo } from './registers';

export interface RegisterPart {
  readonly name: string;
  readonly value: string;
  /** Linear address that the part is about. */
  readonly address?: number;
}

type Bits = readonly (readonly [name: string, mask: number])[];

const CR0_BITS: Bits = [
  ['PE', CR0_PE],
  ['MP', CR0_MP],
  ['EM', CR0_EM],
  ['TS', CR0_TS],
  ['ET', CR0_ET],
  ['NE', CR0_NE],
  ['WP', CR0_WP],
  ['AM', CR0_AM],
  ['NW', CR0_NW],
  ['CD', CR0_CD],
  ['PG', CR0_PG],
];

const CR4_BITS: Bits = [
  ['VME', CR4_VME],
  ['PVI', CR4_PVI],
  ['TSD', CR4_TSD],
  ['DE', CR4_DE],
  ['PSE', CR4_PSE],
  ['PAE', CR4_PAE],
  ['MCE', CR4_MCE],
  ['PGE', CR4_PGE],
  ['PCE', CR4_PCE],
  ['OSFXSR', CR4_OSFXSR],
  ['UMIP', CR4_UMIP],
  ['VMXE', CR4_VMXE],
  ['PCIDE', CR4_PCIDE],
  ['SMEP', CR4_SMEP],
  ['SMAP', CR4_SMAP],
];

/** Segment types with S = 1 (code and data), by bits 3 to 1 of the type. */
const CODE_DATA = [
  'data',
  'data',
  'data, expand down',
  'data, expand down',
  'code',
  'code',
  'code, conforming',
  'code, conforming',
];

function setBits(value: number, bits: Bits): string {
  return bits
    .filter(([, mask]) => (value & mask) !== 0)
    .map(([name]) => name)
    .join(' ');
}

function segmentIndex(register: RegisterInfo): SegmentIndex | undefined {
  const index = SEGMENT_NAMES.findIndex((name) => name === register.name);
  // findIndex over the eight names gives a SegmentIndex or -1.
  return index < 0 ? undefined : (index as SegmentIndex);
}

/**
 * The value with its meaning.
 * @param symbolAt label (with offset) of a linear address
 */
export function describeRegister(
  register: RegisterInfo,
  state: CpuState,
  symbolAt: (address: number) => string | undefined,
): string {
  const value = register.read(state);
  const segment = segmentIndex(register);
  if (segment !== undefined) return describeSegment(state, segment);
  switch (register.name) {
    case 'eflags':
      return `${hex32(value)} ${setBits(value, FLAG_NAMES)}`.trimEnd();
    case 'cr0':
      return `${hex32(value)} ${setBits(value, CR0_BITS)}`.trimEnd();
    case 'cr4':
      return `${hex32(value)} ${setBits(value, CR4_BITS)}`.trimEnd();
    case 'gdtr':
      return `${hex32(value)} limit ${hex(state.word(OFF.gdtrLimit))}`;
    case 'idtr':
      return `${hex32(value)} limit ${hex(state.word(OFF.idtrLimit))}`;
    case 'cpl':
      return `${value} (ring ${value})`;
  }
  if (register.bits < 32) return String(value);
  const symbol = register.group === 'general' ? symbolAt(value) : undefined;
  return symbol === undefined ? hex32(value) : `${hex32(value)} ${symbol}`;
}

function describeSegment(state: CpuState, segment: SegmentIndex): string {
  const selector = `0x${state.selector(segment).toString(16).padStart(4, '0')}`;
  const attributes = state.attributes(segment);
  if ((attributes & AR_UNUSABLE) !== 0) return `${selector} not usable`;
  const ring = (attributes >> AR_DPL_SHIFT) & 3;
  return `${selector} ${segmentType(attributes)}, ring ${ring}, base ${hex32(state.base(segment))}`;
}

function segmentType(attributes: number): string {
  const type = attributes & AR_TYPE;
  if ((attributes & AR_S) !== 0) return CODE_DATA[type >> 1] ?? 'segment';
  return type === 2 ? 'LDT' : type === 9 || type === 11 ? 'TSS' : `system type ${type}`;
}

/** What unfolds below a register; empty for a register that is one number. */
export function registerParts(register: RegisterInfo, state: CpuState): readonly RegisterPart[] {
  const value = register.read(state);
  const segment = segmentIndex(register);
  if (segment !== undefined) return segmentParts(state, segment);
  switch (register.name) {
    case 'cr0':
      return CR0_BITS.map(([name, mask]) => ({ name, value: (value & mask) === 0 ? '0' : '1' }));
    case 'cr4':
      return CR4_BITS.map(([name, mask]) => ({ name, value: (value & mask) === 0 ? '0' : '1' }));
    case 'gdtr':
      return tableParts(value, state.word(OFF.gdtrLimit));
    case 'idtr':
      return tableParts(value, state.word(OFF.idtrLimit));
    default:
      return [];
  }
}

function tableParts(base: number, limit: number): readonly RegisterPart[] {
  return [
    { name: 'base', value: hex32(base), address: base },
    { name: 'limit', value: hex(limit) },
    { name: 'entries', value: String(Math.floor((limit + 1) / 8)) },
  ];
}

function segmentParts(state: CpuState, segment: SegmentIndex): readonly RegisterPart[] {
  const selector = state.selector(segment);
  const attributes = state.attributes(segment);
  const base = state.base(segment);
  return [
    { name: 'index', value: String(selector >> 3) },
    { name: 'table', value: (selector & 4) === 0 ? 'GDT' : 'LDT' },
    { name: 'RPL', value: String(selector & 3) },
    { name: 'base', value: hex32(base), address: base },
    { name: 'limit', value: hex32(state.limit(segment)) },
    { name: 'type', value: segmentType(attributes) },
    { name: 'DPL', value: String((attributes >> AR_DPL_SHIFT) & 3) },
    { name: 'present', value: (attributes & AR_P) === 0 ? '0' : '1' },
    { name: 'D/B', value: (attributes & AR_DB) === 0 ? '0' : '1' },
    { name: 'granularity', value: (attributes & AR_G) === 0 ? 'byte' : '4 KiB' },
  ];
}
