/**
 * The launch configuration of a machine: its fields, their defaults, and the check that turns anything a user wrote into
 * either a valid configuration or sentences that say what to change.
 */
import { FEATURE_NAMES, type FeatureName, PROFILE_NAMES, type ProfileName, cpuProfile } from '../x86/profiles';
import { COST_NAMES, COST_PRESETS, type CostName, type CostPreset } from './costs';

/**
 * How guest code runs. native: on the bare machine; trap: guest kernel in ring 1, trap and emulate; hw: VT-x.
 * Named for later: interpret, bt (binary translation), pv (paravirtualization).
 */
export const CPU_TECHNIQUES = ['native', 'trap', 'hw'] as const;
export type CpuTechnique = (typeof CPU_TECHNIQUES)[number];

/** How guest-physical memory is mapped. none: native; shadow page tables; nested paging (EPT). Named for later: pvDirect. */
export const MMU_TECHNIQUES = ['none', 'shadow', 'nested'] as const;
export type MmuTechnique = (typeof MMU_TECHNIQUES)[number];

const LATER: Readonly<Record<string, readonly string[]>> = { cpu: ['interpret', 'bt', 'pv'], mmu: ['pvDirect'] };

export interface MachineConfig {
  readonly cpu: CpuTechnique;
  readonly mmu: MmuTechnique;
  /** Guest memory in MiB, 2 to 512. A VMM's own frames come on top. */
  readonly memoryMiB: number;
  readonly profile: ProfileName;
  /** Single feature flags switched against the profile. */
  readonly features: Partial<Readonly<Record<FeatureName, boolean>>>;
  /** Entries of the architectural TLB, a power of two from 16 to 4096. */
  readonly tlbEntries: number;
  readonly costPreset: CostPreset;
  /** Cycles that replace single figures of the preset. */
  readonly costs: Partial<Readonly<Record<CostName, number>>>;
  /** Seed of every pseudo-random choice, 0 to 2^32-1. */
  readonly seed: number;
}

export const DEFAULT_CONFIG: MachineConfig = {
  cpu: 'native',
  mmu: 'none',
  memoryMiB: 16,
  profile: 'sandybridge',
  features: {},
  tlbEntries: 64,
  costPreset: 'core2-2006',
  costs: {},
  seed: 1,
};

/** The names of the fields of a MachineConfig, for hosts whose launch configuration holds more than the machine. */
export const CONFIG_FIELDS: readonly string[] = Object.keys(DEFAULT_CONFIG);

export type CheckedConfig = { readonly config: MachineConfig } | { readonly problems: readonly string[] };

/**
 * Checks what a user wrote. Missing fields take their defaults; the default of `mmu` follows from `cpu` (none for native,
 * shadow otherwise). Each problem is a sentence that names the field and the fix.
 */
export function checkConfig(input: unknown): CheckedConfig {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    return { problems: ['The machine configuration must be an object with fields such as "cpu" and "memoryMiB".'] };
  }
  // Any object that is not an array is a record of unknown fields.
  const fields = input as Readonly<Record<string, unknown>>;
  const problems: string[] = [];
  for (const name of Object.keys(fields)) {
    if (!CONFIG_FIELDS.includes(name)) {
      problems.push(
        `"${name}" is not a field of the machine configuration; its fields are ${CONFIG_FIELDS.join(', ')}.`,
      );
    }
  }
  const cpu = choice(fields, 'cpu', CPU_TECHNIQUES, DEFAULT_CONFIG.cpu, problems);
  const config: MachineConfig = {
    cpu,
    mmu: choice(fields, 'mmu', MMU_TECHNIQUES, cpu === 'native' ? 'none' : 'shadow', problems),
    memoryMiB: integer(fields, 'memoryMiB', 2, 512, DEFAULT_CONFIG.memoryMiB, problems),
    profile: choice(fields, 'profile', PROFILE_NAMES, DEFAULT_CONFIG.profile, problems),
    features: table(fields, 'features', FEATURE_NAMES, isBoolean, 'true or false', problems),
    tlbEntries: integer(fields, 'tlbEntries', 16, 4096, DEFAULT_CONFIG.tlbEntries, problems),
    costPreset: choice(fields, 'costPreset', COST_PRESETS, DEFAULT_CONFIG.costPreset, problems),
    costs: table(fields, 'costs', COST_NAMES, isCycles, 'a whole number of cycles, 0 to 1000000', problems),
    seed: integer(fields, 'seed', 0, 0xffff_ffff, DEFAULT_CONFIG.seed, problems),
  };
  if ((config.tlbEntries & (config.tlbEntries - 1)) !== 0) {
    problems.push(`"tlbEntries" is ${config.tlbEntries}; it must be a power of two from 16 to 4096, for example 64.`);
  }
  if (problems.length === 0) problems.push(...refusals(config));
  return problems.length === 0 ? { config } : { problems };
}

interface Refusal {
  applies(config: MachineConfig, has: (feature: FeatureName) => boolean): boolean;
  sentence(config: MachineConfig): string;
}

const off = (feature: FeatureName, why: string): Refusal['sentence'] => {
  return (config) =>
    `The feature flag ${feature} is off on the profile ${config.profile}: ${why}, or switch it on with "features": {"${feature}": true}.`;
};

/** Combinations of settings that cannot work, with the reason. */
const REFUSALS: readonly Refusal[] = [
  {
    applies: (c) => c.cpu === 'native' && c.mmu !== 'none',
    sentence: (c) =>
      `"cpu": "native" runs without a VMM, so there is nothing to keep ${c.mmu} tables: set "mmu" to "none".`,
  },
  {
    applies: (c) => c.cpu !== 'native' && c.mmu === 'none',
    sentence: (c) =>
      `"cpu": "${c.cpu}" needs a VMM that maps guest memory: set "mmu" to "shadow"${c.cpu === 'hw' ? ' or "nested"' : ''}.`,
  },
  {
    applies: (c) => c.cpu === 'trap' && c.mmu === 'nested',
    sentence: () =>
      'Nested paging is part of VT-x and "cpu": "trap" does not use VT-x: set "mmu" to "shadow", or "cpu" to "hw".',
  },
  {
    applies: (c, has) => c.cpu === 'trap' && c.mmu === 'shadow' && !has('wp'),
    sentence: off(
      'wp',
      'a deprivileged guest kernel is a supervisor to the page tables, and without CR0.WP its writes pass the write protection of traced pages; choose a profile from the pentium on',
    ),
  },
  {
    applies: (c, has) => c.cpu === 'trap' && !has('invlpg'),
    sentence: off('invlpg', 'the VMM flushes single shadow translations with it; choose a profile from the pentium on'),
  },
  {
    applies: (c, has) => c.cpu === 'hw' && !has('vmx'),
    sentence: off('vmx', '"cpu": "hw" needs VT-x; choose the profile p4-2005 or a later one'),
  },
  {
    applies: (c, has) => c.cpu === 'hw' && has('vmx') && c.mmu === 'nested' && !has('ept'),
    sentence: off(
      'ept',
      '"mmu": "nested" needs extended page tables; choose the profile nehalem or a later one, or "mmu": "shadow"',
    ),
  },
  {
    applies: (c, has) => c.cpu === 'hw' && has('vmx') && c.mmu === 'nested' && has('ept') && !has('unrestrictedGuest'),
    sentence: off(
      'unrestrictedGuest',
      'without it VT-x cannot enter a guest whose paging is off, and "mmu": "nested" leaves CR0.PG to the guest',
    ),
  },
];

function refusals(config: MachineConfig): string[] {
  const { features } = cpuProfile(config.profile, config.features);
  return REFUSALS.filter((r) => r.applies(config, (name) => features[name])).map((r) => r.sentence(config));
}

type Fields = Readonly<Record<string, unknown>>;

function choice<T extends string>(from: Fields, field: string, of: readonly T[], otherwise: T, problems: string[]): T {
  const value = from[field];
  if (value === undefined) return otherwise;
  const found = of.find((name) => name === value);
  if (found !== undefined) return found;
  const later = typeof value === 'string' && LATER[field]?.includes(value) === true;
  problems.push(
    later
      ? `"${field}": "${value}" is not built yet; choose one of ${of.join(', ')}.`
      : `"${field}" is ${JSON.stringify(value)}; it must be one of ${of.join(', ')}.`,
  );
  return otherwise;
}

function integer(
  from: Fields,
  field: string,
  low: number,
  high: number,
  otherwise: number,
  problems: string[],
): number {
  const value = from[field];
  if (value === undefined) return otherwise;
  if (typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high) return value;
  problems.push(`"${field}" is ${JSON.stringify(value)}; it must be a whole number from ${low} to ${high}.`);
  return otherwise;
}

function table<K extends string, V>(
  from: Fields,
  field: string,
  names: readonly K[],
  is: (value: unknown) => value is V,
  wanted: string,
  problems: string[],
): Partial<Record<K, V>> {
  const value = from[field];
  const result: Partial<Record<K, V>> = {};
  if (value === undefined) return result;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    problems.push(`"${field}" must be an object whose names are among ${names.join(', ')}.`);
    return result;
  }
  for (const [name, entry] of Object.entries(value)) {
    const known = names.find((n) => n === name);
    if (known === undefined) problems.push(`"${field}.${name}" is not known; the names are ${names.join(', ')}.`);
    else if (is(entry)) result[known] = entry;
    else problems.push(`"${field}.${name}" is ${JSON.stringify(entry)}; it must be ${wanted}.`);
  }
  return result;
}

const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean';
const isCycles = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 1_000_000;
