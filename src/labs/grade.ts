/** The grader: runs a student's answer as the lab says and holds each check's predicate against what happened. */
import { unendedText } from '../debugger/event-text';
import { loadProgram, type Program } from '../debugger/program';
import type { SourceFiles } from '../debugger/source-files';
import { digestOf } from '../facts/digest';
import { Facts } from '../facts/facts';
import { checkConfig } from '../machine/config';
import type { EventObject, EventStream } from '../machine/events';
import { buildMachine } from '../vmm/build';
import { type Lab, type LabRun, parseLab } from './lab';
import { evaluateCheck } from './predicates';
import type { Grade, RunGrade } from './report';

const LAB_FILE = 'lab.json';

export interface GradeRequest {
  /** The lab's folder, without a slash at its end. */
  readonly folder: string;
  /** Path of the answer; the lab's own file when absent. */
  readonly answer?: string;
  readonly interpreter?: WebAssembly.Module;
}

/** Grades one answer. Problems are sentences about the lab file or the answer's source. */
export async function gradeLab(
  request: GradeRequest,
  files: SourceFiles,
): Promise<Grade | { readonly problems: readonly string[] }> {
  const path = `${request.folder}/${LAB_FILE}`;
  const bytes = await files.read(path);
  if (bytes === undefined) return { problems: [`${path} cannot be read: name a lab's folder, such as labs/01-rings.`] };
  const parsed = parseLab(path, new TextDecoder().decode(bytes));
  if ('problems' in parsed) return parsed;
  const { lab } = parsed;
  const answer = request.answer ?? `${request.folder}/${lab.answer}`;
  const runs: RunGrade[] = [];
  for (const run of lab.runs) {
    const graded = await gradeRun(lab, run, answer, files, request.interpreter);
    if ('problems' in graded)
      return { problems: graded.problems.map((problem) => `${path}, run "${run.name}": ${problem}`) };
    runs.push(graded);
  }
  const passed = runs.every((run) => run.checks.every((check) => check.passed));
  return { lab: lab.title, answer, passed, runs };
}

async function gradeRun(
  lab: Lab,
  run: LabRun,
  answer: string,
  files: SourceFiles,
  interpreter: WebAssembly.Module | undefined,
): Promise<RunGrade | { readonly problems: readonly string[] }> {
  const checked = checkConfig(run.machine);
  if ('problems' in checked) return checked;
  const { config } = checked;
  const program = await loadProgram(answer, files, config.memoryMiB << 20);
  if ('problems' in program) return program;
  const machine = buildMachine(config, program.image, { interpreter });
  const facts = new Facts();
  facts.follow(machine.events);
  const stop = machine.run({ count: run.limit });
  const view = machine.guest();
  const record = {
    events: keptEvents(machine.events),
    output: view.deviceOutput(),
    unended: stop.reason === 'stopped' ? undefined : unendedText(stop, run.limit),
  };
  return {
    run: run.name,
    instructions: machine.clock.instructions,
    digest: digestOf(view, facts.all).machine,
    checks: lab.checks.map((check) => {
      const result = evaluateCheck(check, record);
      const place = result.event === undefined ? undefined : placeOf(program, result.event);
      return place === undefined ? result : { ...result, place };
    }),
  };
}

function keptEvents(events: EventStream): EventObject[] {
  const kept: EventObject[] = [];
  for (let i = events.firstIndex; i < events.endIndex; i++) {
    const event = events.at(i);
    if (event !== undefined) kept.push(event);
  }
  return kept;
}

/** Source line of the guest instruction at which an event happened. */
function placeOf(program: Program, event: EventObject): string | undefined {
  const line = program.codeMap.lineAt(event.ip);
  return line === undefined ? undefined : `${line.path}:${line.line}`;
}
