/** Which instructions are sensitive after Popek and Goldberg, and which of those the 32-bit processor leaves unprivileged (Robin and Irvine, 2000). */

/** Control-sensitive: changes the mode or resources. Behaviour-sensitive: its result depends on the mode or on where the machine really lies. */
export type Sensitivity = 'control' | 'behaviour';

/** An instruction that is sensitive but does not trap in a less privileged ring, so that trap-and-emulate misses it. */
export interface CriticalInstruction {
  /** NASM mnemonic in lower case. */
  readonly mnemonic: string;
  /** Further mnemonics of the same instruction. */
  readonly variants: readonly string[];
  readonly sensitivity: readonly Sensitivity[];
  /** The forms that are meant, when not all are; for a reader. */
  readonly forms?: string;
  /** What a kernel notices when it runs in an outer ring. */
  readonly consequence: string;
  /** CR4.UMIP makes it fault outside ring 0. */
  readonly trapsUnderUmip: boolean;
}

const farTransfer =
  'Privilege checks against the descriptor or gate fail or lead to another ring than the kernel expects.';
const descriptorProbe = "The answer depends on CPL: the kernel's own segments look out of reach.";
const segmentMove =
  'A stored CS or SS shows the real ring in its two low bits, and a loaded selector is checked against it.';

/** The list, in the order of its groups; PUSH, POP and MOV count for their segment-register forms only. */
export const criticalInstructions: readonly CriticalInstruction[] = [
  {
    mnemonic: 'sgdt',
    variants: [],
    sensitivity: ['behaviour'],
    consequence: "It stores the real GDTR: the kernel sees the VMM's table.",
    trapsUnderUmip: true,
  },
  {
    mnemonic: 'sidt',
    variants: [],
    sensitivity: ['behaviour'],
    consequence: "It stores the real IDTR: the kernel sees the VMM's table.",
    trapsUnderUmip: true,
  },
  {
    mnemonic: 'sldt',
    variants: [],
    sensitivity: ['behaviour'],
    consequence: "It stores the real LDTR: the kernel sees the VMM's selector.",
    trapsUnderUmip: true,
  },
  {
    mnemonic: 'smsw',
    variants: [],
    sensitivity: ['behaviour'],
    consequence: 'It stores the low half of the real CR0, with PE and TS as the VMM has set them.',
    trapsUnderUmip: true,
  },
  {
    mnemonic: 'pushf',
    variants: ['pushfd', 'pushfw', 'pushfq'],
    sensitivity: ['behaviour'],
    consequence: 'It pushes the real IF and IOPL: after CLI the kernel still reads IF = 1.',
    trapsUnderUmip: false,
  },
  {
    mnemonic: 'popf',
    variants: ['popfd', 'popfw', 'popfq'],
    sensitivity: ['control', 'behaviour'],
    consequence: 'It drops the new IF and IOPL silently, and the kernel believes that interrupts are off.',
    trapsUnderUmip: false,
  },
  { mnemonic: 'lar', variants: [], sensitivity: ['behaviour'], consequence: descriptorProbe, trapsUnderUmip: false },
  { mnemonic: 'lsl', variants: [], sensitivity: ['behaviour'], consequence: descriptorProbe, trapsUnderUmip: false },
  { mnemonic: 'verr', variants: [], sensitivity: ['behaviour'], consequence: descriptorProbe, trapsUnderUmip: false },
  { mnemonic: 'verw', variants: [], sensitivity: ['behaviour'], consequence: descriptorProbe, trapsUnderUmip: false },
  {
    mnemonic: 'push',
    variants: [],
    sensitivity: ['behaviour'],
    forms: 'with a segment register',
    consequence: segmentMove,
    trapsUnderUmip: false,
  },
  {
    mnemonic: 'pop',
    variants: [],
    sensitivity: ['behaviour'],
    forms: 'with a segment register',
    consequence: segmentMove,
    trapsUnderUmip: false,
  },
  {
    mnemonic: 'mov',
    variants: [],
    sensitivity: ['behaviour'],
    forms: 'with a segment register',
    consequence: segmentMove,
    trapsUnderUmip: false,
  },
  {
    mnemonic: 'call',
    variants: [],
    sensitivity: ['control', 'behaviour'],
    forms: 'to a far address or gate',
    consequence: farTransfer,
    trapsUnderUmip: false,
  },
  {
    mnemonic: 'jmp',
    variants: [],
    sensitivity: ['control', 'behaviour'],
    forms: 'to a far address or gate',
    consequence: farTransfer,
    trapsUnderUmip: false,
  },
  {
    mnemonic: 'retf',
    variants: ['retfd', 'retfw', 'retfq'],
    sensitivity: ['control', 'behaviour'],
    consequence: farTransfer,
    trapsUnderUmip: false,
  },
  {
    mnemonic: 'int',
    variants: [],
    sensitivity: ['control', 'behaviour'],
    consequence: farTransfer,
    trapsUnderUmip: false,
  },
  {
    mnemonic: 'str',
    variants: [],
    sensitivity: ['behaviour'],
    consequence: "It stores the real task register: the kernel sees the VMM's TSS selector.",
    trapsUnderUmip: true,
  },
];

const byMnemonic: ReadonlyMap<string, CriticalInstruction> = new Map(
  criticalInstructions.flatMap((one) =>
    [one.mnemonic, ...one.variants].map((name): [string, CriticalInstruction] => [name, one]),
  ),
);

/** The entry for a mnemonic in any letter case, or undefined when it is not on the list. */
export function criticalInstruction(mnemonic: string): CriticalInstruction | undefined {
  return byMnemonic.get(mnemonic.toLowerCase());
}
