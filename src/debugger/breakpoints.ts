/** Breakpoints: where they bind, whether a hit counts, and what a log point says. No protocol and no machine in here. */
import { hex } from './addresses';
import type { CodeMap } from './code-map';
import { Expression, ExpressionError, type ExpressionScope } from './expressions';

export type BreakpointOrigin = 'source' | 'function' | 'instruction';

/** What a user may attach to any breakpoint. */
export interface BreakpointOptions {
  /** An expression; the breakpoint counts only when it is not zero. */
  readonly condition?: string;
  /** `5`, `==5`, `>=6`, `>2`, `<4`, `<=4` or `%3`: which of the counted hits stop. */
  readonly hitCondition?: string;
  /** Text with `{expression}` parts: it is printed, and the guest runs on. */
  readonly logMessage?: string;
}

/** One place where a breakpoint binds. */
export interface BoundPlace {
  readonly address: number;
  /** Where the loader put that code; tells apart programs that share a linear address. */
  readonly gpa?: number;
}

export interface Breakpoint extends BreakpointOptions {
  readonly id: number;
  readonly origin: BreakpointOrigin;
  readonly places: readonly BoundPlace[];
  readonly verified: boolean;
  /** Why it is not verified, or that it moved. */
  readonly message?: string;
  readonly path?: string;
  readonly line?: number;
  /** The line that was asked for, of source breakpoints. */
  readonly asked?: number;
  /** The label that was asked for, of function breakpoints. */
  readonly label?: string;
}

/** What a hit leads to. */
export type Verdict =
  | { readonly kind: 'stop'; readonly breakpoints: readonly Breakpoint[]; readonly problem?: string }
  | { readonly kind: 'go'; readonly log: readonly string[] };

export class Breakpoints {
  private nextId = 1;
  private readonly source = new Map<string, readonly Breakpoint[]>();
  private functions: readonly Breakpoint[] = [];
  private instructions: readonly Breakpoint[] = [];
  private readonly hits = new Map<number, number>();

  constructor(private readonly codeMap: CodeMap) {}

  /** Replaces the breakpoints of one file; each binds to the first instruction at or after its line. */
  setSource(path: string, wanted: readonly ({ readonly line: number } & BreakpointOptions)[]): readonly Breakpoint[] {
    const made = wanted.map((spec): Breakpoint => {
      const base = { ...options(spec), id: this.nextId++, origin: 'source' as const, path, asked: spec.line };
      const problem = optionProblem(spec);
      if (problem !== undefined) return { ...base, places: [], verified: false, message: problem, line: spec.line };
      if (!this.codeMap.knowsPath(path)) {
        const message = 'This file is no part of the program that runs.';
        return { ...base, places: [], verified: false, message, line: spec.line };
      }
      const line = this.codeMap.nextCodeLine(path, spec.line);
      if (line === undefined) {
        const message = `There is no instruction at or after line ${spec.line} of this file.`;
        return { ...base, places: [], verified: false, message, line: spec.line };
      }
      const moved =
        line !== spec.line ? { message: `Line ${spec.line} holds no instruction; moved to line ${line}.` } : {};
      return { ...base, places: this.codeMap.startsOfLine(path, line), verified: true, line, ...moved };
    });
    this.source.set(path, made);
    return made;
  }

  /** Replaces the breakpoints on labels. */
  setFunctions(wanted: readonly ({ readonly name: string } & BreakpointOptions)[]): readonly Breakpoint[] {
    this.functions = wanted.map((spec) => {
      const base = { ...options(spec), id: this.nextId++, origin: 'function' as const, label: spec.name };
      const place = this.codeMap.placeOf(spec.name);
      const problem = optionProblem(spec) ?? (place === undefined ? `There is no label "${spec.name}".` : undefined);
      if (place === undefined || problem !== undefined) {
        return { ...base, places: [], verified: false, ...(problem === undefined ? {} : { message: problem }) };
      }
      return { ...base, places: [place], verified: true, ...this.codeMap.lineAt(place.address, place.gpa) };
    });
    return this.functions;
  }

  /** Replaces the breakpoints of the disassembly, given as linear addresses. */
  setInstructions(wanted: readonly ({ readonly address: number } & BreakpointOptions)[]): readonly Breakpoint[] {
    this.instructions = wanted.map((spec) => {
      const base = { ...options(spec), id: this.nextId++, origin: 'instruction' as const };
      const problem = optionProblem(spec);
      if (problem !== undefined) return { ...base, places: [], verified: false, message: problem };
      return { ...base, places: [{ address: spec.address }], verified: true };
    });
    return this.instructions;
  }

  private get all(): readonly Breakpoint[] {
    return [...[...this.source.values()].flat(), ...this.functions, ...this.instructions];
  }

  /** Linear addresses to watch for. */
  addresses(): Set<number> {
    return new Set(this.all.flatMap((b) => b.places.map((p) => p.address)));
  }

  /**
   * Judges the arrival at an address and counts it.
   * @param gpa where the address leads now: a place that belongs to another program at the same linear address is none
   */
  arrive(address: number, gpa: number | undefined, scope: ExpressionScope): Verdict {
    const stop: Breakpoint[] = [];
    const log: string[] = [];
    let problem: string | undefined;
    const ambiguous = this.codeMap.isAmbiguous(address);
    for (const breakpoint of this.all) {
      const here = breakpoint.places.some(
        (p) => p.address === address && (!ambiguous || p.gpa === undefined || p.gpa === gpa),
      );
      if (!here) continue;
      try {
        if (breakpoint.condition !== undefined && Expression.parse(breakpoint.condition).evaluate(scope) === 0)
          continue;
      } catch (error) {
        // A condition that cannot be evaluated stops, so that its owner learns of it.
        problem = `The condition of the breakpoint at ${hex(address)} failed: ${sentence(error)}`;
        stop.push(breakpoint);
        continue;
      }
      const hits = (this.hits.get(breakpoint.id) ?? 0) + 1;
      this.hits.set(breakpoint.id, hits);
      if (breakpoint.hitCondition !== undefined && !hitCounts(breakpoint.hitCondition, hits)) continue;
      if (breakpoint.logMessage === undefined) stop.push(breakpoint);
      else log.push(logText(breakpoint.logMessage, scope));
    }
    if (stop.length === 0) return { kind: 'go', log };
    return { kind: 'stop', breakpoints: stop, ...(problem === undefined ? {} : { problem }) };
  }

  /** Runs an action whose hits do not count (a search back in time). */
  async withoutCounting<T>(action: () => Promise<T>): Promise<T> {
    const before = new Map(this.hits);
    try {
      return await action();
    } finally {
      this.hits.clear();
      for (const [id, hits] of before) this.hits.set(id, hits);
    }
  }

  /** The same breakpoints on another build of the program; identities stay, hits start anew. */
  rebound(codeMap: CodeMap): Breakpoints {
    const table = new Breakpoints(codeMap);
    const keepIds = (old: readonly Breakpoint[], made: readonly Breakpoint[]): readonly Breakpoint[] =>
      made.map((b, i) => ({ ...b, id: old[i]?.id ?? b.id }));
    for (const [path, old] of this.source) {
      table.source.set(
        path,
        keepIds(
          old,
          table.setSource(
            path,
            old.map((b) => ({ ...b, line: b.asked ?? 1 })),
          ),
        ),
      );
    }
    table.functions = keepIds(
      this.functions,
      table.setFunctions(this.functions.map((b) => ({ ...b, name: b.label ?? '' }))),
    );
    table.instructions = this.instructions;
    table.nextId = this.nextId;
    return table;
  }
}

function options(spec: BreakpointOptions): BreakpointOptions {
  const { condition, hitCondition, logMessage } = spec;
  return {
    ...(condition === undefined || condition.trim() === '' ? {} : { condition }),
    ...(hitCondition === undefined || hitCondition.trim() === '' ? {} : { hitCondition }),
    ...(logMessage === undefined || logMessage === '' ? {} : { logMessage }),
  };
}

function optionProblem(spec: BreakpointOptions): string | undefined {
  const { condition, hitCondition, logMessage } = options(spec);
  try {
    if (condition !== undefined) Expression.parse(condition);
    if (logMessage !== undefined)
      for (const part of logParts(logMessage)) if (part.expression) Expression.parse(part.text);
  } catch (error) {
    return sentence(error);
  }
  if (hitCondition !== undefined && !HIT_CONDITION.test(hitCondition)) {
    return `"${hitCondition}" is no hit count: write 5, ==5, >=6, >2, <4, <=4 or %3.`;
  }
  return undefined;
}

function sentence(error: unknown): string {
  if (error instanceof ExpressionError) return error.message;
  throw error;
}

const HIT_CONDITION = /^\s*(==?|>=?|<=?|%)?\s*([0-9]{1,9})\s*$/;

function hitCounts(condition: string, hits: number): boolean {
  const match = HIT_CONDITION.exec(condition);
  const number = Number(match?.[2] ?? 1);
  switch (match?.[1]) {
    case '>=':
      return hits >= number;
    case '>':
      return hits > number;
    case '<=':
      return hits <= number;
    case '<':
      return hits < number;
    case '%':
      return number > 0 && hits % number === 0;
    default:
      return hits === number;
  }
}

function logParts(message: string): { readonly text: string; readonly expression: boolean }[] {
  return message
    .split(/(\{[^{}]*\})/)
    .filter((part) => part !== '')
    .map((part) =>
      /^\{.*\}$/.test(part) ? { text: part.slice(1, -1), expression: true } : { text: part, expression: false },
    );
}

function logText(message: string, scope: ExpressionScope): string {
  return logParts(message)
    .map((part) => {
      if (!part.expression) return part.text;
      try {
        return hex(Expression.parse(part.text).evaluate(scope));
      } catch (error) {
        return `{${sentence(error)}}`;
      }
    })
    .join('');
}
