/** A grade as a person reads it: Markdown that names each failed predicate and its first offending event. */
import { NONE, RING_CAUSE_NAMES, STOP_CAUSE_NAMES } from '../machine/event-kinds';
import type { EventObject } from '../machine/events';
import type { CheckResult } from './predicates';

/** One run with its checks. */
export interface RunGrade {
  readonly run: string;
  readonly instructions: number;
  readonly digest: string;
  readonly checks: readonly (CheckResult & { readonly place?: string })[];
}

export interface Grade {
  readonly lab: string;
  readonly answer: string;
  readonly passed: boolean;
  readonly runs: readonly RunGrade[];
}

export function gradeReport(grade: Grade): string {
  const lines = [`# ${grade.lab}: ${grade.passed ? 'passed' : 'failed'}`, '', `Answer: ${grade.answer}`];
  for (const run of grade.runs) {
    lines.push('', `## ${run.run}: ${run.instructions} guest instructions`, '');
    for (const check of run.checks) {
      lines.push(`- ${check.passed ? 'ok' : 'FAILED'}: ${check.name}. ${check.message}`);
      if (!check.passed && check.event !== undefined)
        lines.push(
          `  First offending event: ${describeEvent(check.event)}${check.place === undefined ? '' : ` (${check.place})`}`,
        );
    }
  }
  return `${lines.join('\n')}\n`;
}

/** Fields whose numbers have names, by event kind and field. */
const NAMED_FIELDS: Readonly<Record<string, readonly string[]>> = {
  'ring cause': RING_CAUSE_NAMES,
  'stop cause': STOP_CAUSE_NAMES,
};

/** `#12 ring from 3 to 0 cause exception vector 13, ip 0x100123, instruction 456`; fields that do not apply are left out. */
function describeEvent(event: EventObject): string {
  const fields = Object.entries(event.fields)
    .filter(([, value]) => value !== NONE)
    .map(([name, value]) => `${name} ${NAMED_FIELDS[`${event.kind} ${name}`]?.[value] ?? value}`);
  return `#${event.index} ${event.kind} ${fields.join(' ')}, ip 0x${event.ip.toString(16)}, instruction ${event.count}`;
}
