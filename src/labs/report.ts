/** A grade as a person reads it: Markdown that names each failed predicate and its first offending event. */
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

/** `#12 ring from 3 to 0 cause 1 vector 13, ring 3, ip 0x100123, instruction 456`. */
function describeEvent(event: EventObject): string {
  const fields = Object.entries(event.fields).map(([name, value]) => `${name} ${value}`);
  return `#${event.index} ${event.kind} ${fields.join(' ')}, ip 0x${event.ip.toString(16)}, instruction ${event.count}`;
}
