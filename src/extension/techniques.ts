/** The techniques that a launch can choose, as the picker and the generated launch configurations offer them. */

export interface TechniqueChoice {
  readonly label: string;
  readonly detail: string;
  readonly cpu: string;
  readonly mmu: string;
}

export const TECHNIQUES: readonly TechniqueChoice[] = [
  {
    label: 'native',
    detail: 'The bare machine: no hypervisor, the guest kernel in ring 0.',
    cpu: 'native',
    mmu: 'none',
  },
  {
    label: 'trap + shadow',
    detail: 'Ring deprivileging: the guest kernel in ring 1, trap and emulate, shadow page tables.',
    cpu: 'trap',
    mmu: 'shadow',
  },
  {
    label: 'hw + shadow',
    detail: 'VT-x with shadow page tables: CR3 loads, INVLPG and page faults exit.',
    cpu: 'hw',
    mmu: 'shadow',
  },
  {
    label: 'hw + nested',
    detail: 'VT-x with nested paging (EPT): the guest keeps its own page tables.',
    cpu: 'hw',
    mmu: 'nested',
  },
];
