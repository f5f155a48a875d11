/** Several runs side by side: one row for each fact, one column for each run, with the rows that differ marked. */
import { type FactsReport, grouped } from './report';

export interface ComparedRun {
  /** Column title, e.g. "hw+nested". */
  readonly title: string;
  readonly digest: string;
  readonly report: FactsReport;
}

export interface ComparedRow {
  readonly group: string;
  readonly name: string;
  /** One per run; 0 where a run's report has no such fact. */
  readonly values: readonly number[];
  readonly differs: boolean;
}

/** All facts that any of the runs has, in the order in which the reports give them. */
export function compareRuns(runs: readonly ComparedRun[]): ComparedRow[] {
  const rows: ComparedRow[] = [];
  const groups = unique(runs.flatMap((run) => Object.keys(run.report)));
  for (const group of groups) {
    for (const name of unique(runs.flatMap((run) => Object.keys(run.report[group] ?? {})))) {
      const values = runs.map((run) => run.report[group]?.[name] ?? 0);
      rows.push({ group, name, values, differs: values.some((value) => value !== values[0]) });
    }
  }
  return rows;
}

/** The comparison as a text table; rows that differ carry an asterisk. */
export function comparisonText(runs: readonly ComparedRun[]): string {
  const titles = runs.map((run) => run.title.padStart(16)).join(' ');
  const lines = [`${''.padEnd(34)} ${titles}`];
  lines.push(`${'digest.machine'.padEnd(34)} ${runs.map((run) => run.digest.padStart(16)).join(' ')}`);
  let group = '';
  for (const row of compareRuns(runs)) {
    if (row.group !== group) lines.push(row.group);
    group = row.group;
    const values = row.values.map((value) => grouped(value).padStart(16)).join(' ');
    lines.push(`${row.differs ? '*' : ' '} ${row.name.padEnd(32)} ${values}`);
  }
  return lines.join('\n');
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
