/** The predicates of lab checks: each reads a run's events and output and names the first event that breaks it. */
import { NONE, RING_CAUSE_NAMES, StopCause } from '../machine/event-kinds';
import type { EventObject } from '../machine/events';
import type { LabCheck, RingWay } from './lab';

/** What a finished run left behind; events oldest first. */
export interface RunRecord {
  readonly events: readonly EventObject[];
  readonly output: string;
  /** Why the run came back although the guest had not ended, as a sentence. */
  readonly unended: string | undefined;
}

export interface CheckResult {
  readonly name: string;
  readonly passed: boolean;
  /** One sentence: what was found, and what was wanted. */
  readonly message: string;
  /** The first offending event of a failed check; where something is missing, the last event of the run. */
  readonly event?: EventObject;
}

type Verdict = Omit<CheckResult, 'name'>;

export function evaluateCheck(check: LabCheck, run: RunRecord): CheckResult {
  return { name: check.name, ...verdict(check, run) };
}

function verdict(check: LabCheck, run: RunRecord): Verdict {
  switch (check.kind) {
    case 'ended':
      return ended(check.value, run);
    case 'output':
      return output(check.contains, run);
    case 'transitions':
      return transitions(check, run);
    case 'alternates':
      return alternates(check, run);
  }
}

const pass = (message: string): Verdict => ({ passed: true, message });

function fail(message: string, run: RunRecord, event: EventObject | undefined): Verdict {
  const shown = event ?? run.events[run.events.length - 1];
  return { passed: false, message, ...(shown === undefined ? {} : { event: shown }) };
}

function ended(value: number, run: RunRecord): Verdict {
  const stop = run.events.find((event) => event.kind === 'stop');
  if (stop === undefined) {
    const found = run.unended ?? 'The guest left no stop event.';
    return fail(`${found} It should write ${value} to port 0xF4.`, run, stop);
  }
  if (stop.fields['cause'] !== StopCause.debugExit)
    return fail(`The guest ended otherwise than by writing ${value} to port 0xF4.`, run, stop);
  if (stop.fields['value'] !== value)
    return fail(`The guest ended with status ${stop.fields['value']}, wanted ${value}.`, run, stop);
  return pass(`The guest ended with status ${value}.`);
}

function output(texts: readonly string[], run: RunRecord): Verdict {
  let from = 0;
  for (const text of texts) {
    const at = run.output.indexOf(text, from);
    if (at < 0) {
      const seen = JSON.stringify(run.output.slice(-120));
      return fail(`The serial output lacks ${JSON.stringify(text)}; it ends with ${seen}.`, run, undefined);
    }
    from = at + text.length;
  }
  return pass(`The serial output holds all ${texts.length} texts in order.`);
}

const wayOf = (event: EventObject): string => `${event.fields['from']}>${event.fields['to']}`;
const causeOf = (event: EventObject): string => RING_CAUSE_NAMES[event.fields['cause'] ?? NONE] ?? 'unknown';
const arrow = (way: RingWay): string => way.replace('>', ' → ');

function transitions(check: Extract<LabCheck, { kind: 'transitions' }>, run: RunRecord): Verdict {
  const found = run.events.filter(
    (event) =>
      event.kind === 'ring' &&
      wayOf(event) === check.way &&
      (check.vector === undefined || event.fields['vector'] === check.vector),
  );
  const what = `ring ${arrow(check.way)}${check.vector === undefined ? '' : ` by vector ${check.vector}`}`;
  const { onlyCause, minimum = 0, maximum = Number.POSITIVE_INFINITY } = check;
  const otherwise = onlyCause === undefined ? undefined : found.find((event) => causeOf(event) !== onlyCause);
  if (otherwise !== undefined)
    return fail(`A change ${what} came by ${causeOf(otherwise)}, wanted ${onlyCause} only.`, run, otherwise);
  if (found.length < minimum)
    return fail(`${found.length} changes ${what}, wanted at least ${minimum}.`, run, found[found.length - 1]);
  if (found.length > maximum)
    return fail(`${found.length} changes ${what}, wanted at most ${maximum}.`, run, found[maximum]);
  return pass(`${found.length} changes ${what}.`);
}

function alternates(check: Extract<LabCheck, { kind: 'alternates' }>, run: RunRecord): Verdict {
  const rings = run.events.filter((event) => event.kind === 'ring');
  const wrong = rings.find((event, i) => wayOf(event) !== (i % 2 === 0 ? check.outward : check.inward));
  if (wrong !== undefined) {
    const wanted = rings.indexOf(wrong) % 2 === 0 ? check.outward : check.inward;
    return fail(`A change ring ${wayOf(wrong).replace('>', ' → ')} where ${arrow(wanted)} was due.`, run, wrong);
  }
  const minimum = check.minimum ?? 0;
  if (rings.length < minimum)
    return fail(`${rings.length} ring changes in turn, wanted at least ${minimum}.`, run, rings[rings.length - 1]);
  return pass(`${rings.length} ring changes, outward and inward in turn.`);
}
