/** The hover text of an instruction: its forms, modes, privilege, flags, and whether it is sensitive. */
import { formsOf } from '../assembler';
import { type OpCodeFacts, opCodeFacts, RflagsBits } from '../x86/iced';
import { criticalInstruction } from '../x86/sensitive';

/** Forms shown before the rest is counted. */
const mostForms = 12;

/** Bits of iced's flag sets with the names of the manuals. */
const flagNames: readonly (readonly [number, string])[] = [
  [RflagsBits.CF, 'CF'],
  [RflagsBits.PF, 'PF'],
  [RflagsBits.AF, 'AF'],
  [RflagsBits.ZF, 'ZF'],
  [RflagsBits.SF, 'SF'],
  [RflagsBits.OF, 'OF'],
  [RflagsBits.DF, 'DF'],
  [RflagsBits.IF, 'IF'],
  [RflagsBits.AC, 'AC'],
];

function namesOf(bits: number): string {
  return flagNames
    .filter(([bit]) => (bits & bit) !== 0)
    .map(([, name]) => name)
    .join(' ');
}

function flagsLine(facts: readonly OpCodeFacts[]): string | undefined {
  const union = (select: (flags: OpCodeFacts['flags']) => number) =>
    namesOf(facts.reduce((bits, one) => bits | select(one.flags), 0));
  const parts = [
    ['reads', union((flags) => flags.read)],
    ['writes', union((flags) => flags.written)],
    ['clears', union((flags) => flags.cleared)],
    ['sets', union((flags) => flags.set)],
    ['leaves undefined', union((flags) => flags.undefined)],
  ].filter(([, names]) => names !== '');
  return parts.length === 0 ? undefined : `Flags: ${parts.map(([verb, names]) => `${verb} ${names}`).join('; ')}.`;
}

function privilegeLine(facts: readonly OpCodeFacts[]): string {
  if (facts.every((one) => one.mustBeCpl0)) return 'Privileged: yes, it faults outside CPL 0.';
  const some = facts.filter((one) => one.mustBeCpl0);
  if (some.length > 0) {
    const forms = some.map((one) => one.instructionText).join(', ');
    return `Privileged: only in the forms ${forms}.`;
  }
  if (facts.some((one) => one.isInputOutput || one.isPrivileged)) {
    return 'Privileged: no; it faults when CPL is above IOPL (for ports, unless the TSS bitmap allows it).';
  }
  if (facts.some((one) => one.mayRequireCpl0))
    return 'Privileged: no, unless a control-register bit reserves it for CPL 0.';
  return 'Privileged: no.';
}

function sensitivityLine(mnemonic: string, facts: readonly OpCodeFacts[]): string {
  const critical = criticalInstruction(mnemonic);
  if (critical) {
    const forms = critical.forms ? ` ${critical.forms}` : '';
    const umip = critical.trapsUnderUmip ? ' With CR4.UMIP set it faults outside ring 0.' : '';
    return `Sensitive: yes (${critical.sensitivity.join(' and ')})${forms}, and it does not trap in an outer ring. ${critical.consequence}${umip}`;
  }
  if (facts.some((one) => one.mustBeCpl0 || one.isPrivileged || one.isInputOutput))
    return 'Sensitive: yes, and it traps in an outer ring.';
  return 'Sensitive: no.';
}

function modesLine(facts: readonly OpCodeFacts[]): string {
  const modes: readonly (readonly [string, boolean])[] = [
    ['real', facts.some((one) => one.realMode)],
    ['virtual-8086', facts.some((one) => one.virtual8086Mode)],
    ['protected', facts.some((one) => one.protectedMode)],
    ['long', facts.some((one) => one.longMode)],
  ];
  return `Modes: ${modes
    .filter(([, allowed]) => allowed)
    .map(([name]) => name)
    .join(', ')}.`;
}

/** Markdown for a mnemonic, or undefined when it is none. */
export function instructionHover(word: string): string | undefined {
  const known = formsOf(word);
  if (!known || known.forms.length === 0) return undefined;
  const mnemonic = word.toLowerCase();
  const facts = known.forms
    .filter((form) => known.operandSize === undefined || form.operandSize === known.operandSize)
    .map((form) => opCodeFacts(form.code));
  const texts = [...new Set(facts.map((one) => one.instructionText))];
  const shown = texts.slice(0, mostForms);
  if (texts.length > mostForms) shown.push(`... and ${texts.length - mostForms} more`);
  const lines = [privilegeLine(facts), sensitivityLine(mnemonic, facts), modesLine(facts), flagsLine(facts)];
  return [
    `**${mnemonic}**`,
    `\`\`\`text\n${shown.join('\n')}\n\`\`\``,
    ...lines.filter((line) => line !== undefined),
  ].join('\n\n');
}
