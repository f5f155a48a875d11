/**
 * The cost model: cycles charged per class of event, in named presets, each figure with its source.
 *
 * The figures are those that the literature gives for three generations of processors; where it gives none, the value is
 * marked a guess and may be overridden at launch like every other. Cycles are a ledger and never steer the run.
 *
 * VMREAD and VMWRITE have no price of their own. This VMM moves the whole guest-state area at every exit, so that its
 * handlers read plainly; a real one touches the few fields that its handler needs. A price per access would charge that
 * convenience, not the hardware.
 */

export const COST_PRESETS = ['p4-2005', 'core2-2006', 'sandybridge-2011', 'unit'] as const;
export type CostPreset = (typeof COST_PRESETS)[number];

export interface CostParameter {
  readonly title: string;
  /** Cycles in each preset, in the order of COST_PRESETS. */
  readonly cycles: readonly [number, number, number, number];
  readonly source: string;
}

const AA06 = 'Adams and Agesen, ASPLOS 2006';
const BNT = 'Bugnion, Nieh and Tsafrir, Hardware and Software Support for Virtualization, table 4.3';
const ATC12 = 'Agesen et al., ATC 2012 (approx.)';

const parameters = {
  instruction: { title: 'one guest instruction executed directly', cycles: [1, 1, 1, 1], source: 'unit of the ledger' },
  vmExit: {
    title: 'VM exit (hw)',
    cycles: [1931, 1186, 507, 1],
    source: `page-fault exit: ${AA06} for the first two; ${BNT} for Sandy Bridge`,
  },
  vmEntry: {
    title: 'VM entry (hw)',
    cycles: [2409, 937, 277, 1],
    source: `${AA06} for the first two; Sandy Bridge: round trip of 784 (${ATC12}) less its exit`,
  },
  trapToVmm: {
    title: 'trap into a ring-0 VMM and return (no VT-x)',
    cycles: [2000, 1200, 700, 1],
    source: `system call under a software VMM, about 2,000 more than native on a Pentium 4 (${AA06}); the others a guess`,
  },
  emulateInstruction: {
    title: 'one instruction interpreted by the VMM',
    cycles: [10, 10, 10, 1],
    source: 'an interpreter is 5 to 20 times slower than direct execution; its middle',
  },
  shadowOperation: { title: 'one shadow entry written by the VMM', cycles: [100, 100, 100, 1], source: 'a guess' },
  walkReference: {
    title: 'one page-walk reference, cold in the cache',
    cycles: [100, 100, 100, 1],
    source: 'a guess: a memory access of some 60 ns',
  },
  portNative: {
    title: 'port access on the bare machine',
    cycles: [3209, 3209, 3209, 1],
    source: `IN from port 0x80, Pentium 4 (${AA06}); the others the same for want of a figure`,
  },
  portEmulated: {
    title: 'port access to a device that the VMM emulates, without its exit',
    cycles: [214, 214, 214, 1],
    source: `IN from port 0x80 in a software VMM (${AA06})`,
  },
} as const satisfies Record<string, CostParameter>;

export type CostName = keyof typeof parameters;
export const COST_PARAMETERS: Readonly<Record<CostName, CostParameter>> = parameters;
// The keys of a const object are exactly its type's keys.
export const COST_NAMES = Object.keys(parameters) as CostName[];

/** Cycles for every parameter. */
export type Costs = Readonly<Record<CostName, number>>;

/** The preset's figures with single ones replaced. */
export function costsOf(preset: CostPreset, overrides: Partial<Record<CostName, number>> = {}): Costs {
  const column = COST_PRESETS.indexOf(preset);
  const costs = {} as Record<CostName, number>; // filled for every name right below
  for (const name of COST_NAMES) costs[name] = overrides[name] ?? COST_PARAMETERS[name].cycles[column] ?? 0;
  return costs;
}
