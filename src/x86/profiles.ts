/**
 * CPU profiles as data: which features a processor has, and what its CPUID instruction answers (Intel SDM 2A, "CPUID").
 *
 * A profile is a set of feature flags and a signature. Single flags can be switched, also counterfactually (`umip` on a
 * `pentium`); CPUID's feature words are derived from the flags, so that the two cannot disagree.
 */

type CpuidRegister = 'eax' | 'ebx' | 'ecx' | 'edx';

export interface FeatureInfo {
  readonly title: string;
  /** Where CPUID shows the flag; undefined for what CPUID does not enumerate. */
  readonly cpuid?: { readonly leaf: number; readonly register: CpuidRegister; readonly bit: number };
}

const leaf1d = (bit: number): FeatureInfo['cpuid'] => ({ leaf: 1, register: 'edx', bit });
const leaf1c = (bit: number): FeatureInfo['cpuid'] => ({ leaf: 1, register: 'ecx', bit });
const leaf7 = (register: CpuidRegister, bit: number): FeatureInfo['cpuid'] => ({ leaf: 7, register, bit });

const features = {
  wp: { title: 'supervisor write protection, CR0.WP (since the 486)' },
  cpuid: { title: 'the CPUID instruction and EFLAGS.ID' },
  invlpg: { title: 'the INVLPG instruction (since the 486)' },
  tsc: { title: 'RDTSC', cpuid: leaf1d(4) },
  msr: { title: 'RDMSR and WRMSR', cpuid: leaf1d(5) },
  pse: { title: '4 MiB pages', cpuid: leaf1d(3) },
  pge: { title: 'global pages', cpuid: leaf1d(13) },
  pae: { title: 'physical-address extension', cpuid: leaf1d(6) },
  cx8: { title: 'CMPXCHG8B', cpuid: leaf1d(8) },
  sep: { title: 'SYSENTER and SYSEXIT', cpuid: leaf1d(11) },
  cmov: { title: 'conditional moves', cpuid: leaf1d(15) },
  vmx: { title: 'VT-x', cpuid: leaf1c(5) },
  pcid: { title: 'process-context identifiers', cpuid: leaf1c(17) },
  smep: { title: 'supervisor-mode execution prevention', cpuid: leaf7('ebx', 7) },
  smap: { title: 'supervisor-mode access prevention', cpuid: leaf7('ebx', 20) },
  umip: { title: 'user-mode instruction prevention', cpuid: leaf7('ecx', 2) },
  ept: { title: 'extended page tables (VT-x)' },
  vpid: { title: 'virtual-processor identifiers (VT-x)' },
  unrestrictedGuest: { title: 'unrestricted guest (VT-x)' },
} as const satisfies Record<string, FeatureInfo>;

export type FeatureName = keyof typeof features;
export const FEATURES: Readonly<Record<FeatureName, FeatureInfo>> = features;
// The keys of a const object are exactly its type's keys.
export const FEATURE_NAMES = Object.keys(features) as FeatureName[];

interface ProfileRow {
  readonly title: string;
  /** Highest basic CPUID leaf. */
  readonly maxLeaf: number;
  /** CPUID.1:EAX: stepping, model, family and their extensions. */
  readonly signature: number;
  readonly brand: string;
  readonly has: readonly FeatureName[];
}

const i386: readonly FeatureName[] = [];
const pentium: readonly FeatureName[] = ['wp', 'cpuid', 'invlpg', 'tsc', 'msr', 'pse', 'cx8'];
const p4: readonly FeatureName[] = [...pentium, 'pge', 'pae', 'sep', 'cmov', 'vmx'];
const core2: readonly FeatureName[] = p4;
const nehalem: readonly FeatureName[] = [...core2, 'ept', 'vpid', 'unrestrictedGuest'];
const sandybridge: readonly FeatureName[] = [...nehalem, 'pcid'];
const full: readonly FeatureName[] = [...sandybridge, 'smep', 'smap', 'umip'];

// Signatures: CPUID family/model/stepping of a common part of each generation. The first VT-x Pentium 4 was the 662/672.
const profiles = {
  i386: { title: 'Intel386 (1985): no WP, no CPUID', maxLeaf: 0, signature: 0x308, brand: '', has: i386 },
  pentium: {
    title: 'Pentium (1993): no virtualization support',
    maxLeaf: 1,
    signature: 0x52c,
    brand: '',
    has: pentium,
  },
  'p4-2005': { title: 'Pentium 4 672 (2005): first VT-x', maxLeaf: 2, signature: 0xf4a, brand: 'P4', has: p4 },
  'core2-2006': { title: 'Core 2 Duo (2006): VT-x', maxLeaf: 2, signature: 0x6f6, brand: 'Core 2', has: core2 },
  nehalem: {
    title: 'Nehalem (2008): VT-x with EPT and VPID',
    maxLeaf: 7,
    signature: 0x106a5,
    brand: 'Nehalem',
    has: nehalem,
  },
  sandybridge: {
    title: 'Sandy Bridge (2011) without AVX',
    maxLeaf: 7,
    signature: 0x206a7,
    brand: 'Sandy Bridge',
    has: sandybridge,
  },
  full: { title: 'everything the simulator has', maxLeaf: 7, signature: 0x906ea, brand: 'Ringside', has: full },
} as const satisfies Record<string, ProfileRow>;

export type ProfileName = keyof typeof profiles;
// The keys of a const object are exactly its type's keys.
export const PROFILE_NAMES = Object.keys(profiles) as ProfileName[];

export type FeatureSet = Readonly<Record<FeatureName, boolean>>;

/** A processor as launched: a named profile with the launch's feature overrides applied. */
export interface CpuProfile {
  readonly name: ProfileName;
  readonly title: string;
  readonly signature: number;
  readonly maxLeaf: number;
  readonly brand: string;
  readonly features: FeatureSet;
}

export interface CpuidResult {
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

/** The profile of a name with single features switched on or off. */
export function cpuProfile(name: ProfileName, overrides: Partial<Record<FeatureName, boolean>> = {}): CpuProfile {
  const row: ProfileRow = profiles[name];
  const set = {} as Record<FeatureName, boolean>; // filled for every name right below
  for (const feature of FEATURE_NAMES) set[feature] = overrides[feature] ?? row.has.includes(feature);
  return { name, title: row.title, signature: row.signature, maxLeaf: row.maxLeaf, brand: row.brand, features: set };
}

/** What CPUID answers on this profile; leaves above the highest answer as the highest basic leaf does on hardware: zero here. */
export function cpuid(profile: CpuProfile, leaf: number, _subleaf = 0): CpuidResult {
  const answer = { eax: 0, ebx: 0, ecx: 0, edx: 0 };
  if (leaf === 0) {
    answer.eax = profile.maxLeaf;
    // "GenuineIntel"
    answer.ebx = 0x756e6547;
    answer.edx = 0x49656e69;
    answer.ecx = 0x6c65746e;
    return answer;
  }
  if (leaf > profile.maxLeaf) return answer;
  if (leaf === 1) {
    answer.eax = profile.signature;
    // CLFLUSH line of 64 bytes (8 quadwords), one logical processor.
    answer.ebx = 0x0001_0800;
  }
  for (const name of FEATURE_NAMES) {
    const place = FEATURES[name].cpuid;
    if (place === undefined || place.leaf !== leaf || !profile.features[name]) continue;
    answer[place.register] = (answer[place.register] | (1 << place.bit)) >>> 0;
  }
  return answer;
}
