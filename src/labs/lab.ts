/** A lab as its `lab.json` defines it: the runs to make and the predicates over their facts, checked before use. */
import { RING_CAUSE_NAMES } from '../machine/event-kinds';

/** One run of the student's answer under one configuration. */
export interface LabRun {
  readonly name: string;
  /** Fields of the machine configuration (machine/config.ts checks them). */
  readonly machine: Readonly<Record<string, unknown>>;
  /** Guest instructions after which a run that has not ended counts as never ending. */
  readonly limit: number;
}

/** How many times something must happen: at least `minimum` (default 0), at most `maximum` (default any number). */
interface Bounds {
  readonly minimum?: number;
  readonly maximum?: number;
}

/** A transition between rings, written `from>to`, such as `3>0`. */
export type RingWay = `${0 | 1 | 2 | 3}>${0 | 1 | 2 | 3}`;

export type LabCheck =
  /** The guest ended the machine through the debug-exit port with this value. */
  | { readonly name: string; readonly kind: 'ended'; readonly value: number }
  /** The serial output holds these texts in this order. */
  | { readonly name: string; readonly kind: 'output'; readonly contains: readonly string[] }
  /** Transitions one way: how many, of which vector, and by no other cause. */
  | ({
      readonly name: string;
      readonly kind: 'transitions';
      readonly way: RingWay;
      readonly vector?: number;
      readonly onlyCause?: string;
    } & Bounds)
  /** Outward and inward transitions take turns, beginning outward, and nothing else happens between rings. */
  | ({
      readonly name: string;
      readonly kind: 'alternates';
      readonly outward: RingWay;
      readonly inward: RingWay;
    } & Bounds);

export interface Lab {
  readonly title: string;
  readonly objective: string;
  readonly reading: string;
  /** File of the student's answer, in the lab's folder. */
  readonly answer: string;
  readonly runs: readonly LabRun[];
  readonly checks: readonly LabCheck[];
}

export type ParsedLab = { readonly lab: Lab } | { readonly problems: readonly string[] };

const WAY = /^[0-3]>[0-3]$/;
const DEFAULT_LIMIT = 5_000_000;
const MOST_LIMIT = 1_000_000_000;

/** Reads the text of a lab file. Each problem is a sentence that names the field and the fix. */
export function parseLab(file: string, text: string): ParsedLab {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return { problems: [`${file} is not JSON: ${error instanceof Error ? error.message : String(error)}.`] };
  }
  const problems: string[] = [];
  const root = new Fields(file, json, problems);
  const lab: Lab = {
    title: root.text('title'),
    objective: root.text('objective'),
    reading: root.text('reading'),
    answer: root.text('answer'),
    runs: root.list('runs').map((run) => {
      const { name, limit, ...machine } = run.record();
      return {
        name: run.text('name'),
        limit: limit === undefined ? DEFAULT_LIMIT : run.whole('limit', 1, MOST_LIMIT),
        machine,
      };
    }),
    checks: root.list('checks').flatMap((check) => {
      const read = readCheck(check, problems);
      if (read !== undefined) check.refuseOthers();
      return read ?? [];
    }),
  };
  root.refuseOthers();
  if (lab.runs.length === 0 && problems.length === 0) problems.push(`${file}: "runs" is empty; name at least one run.`);
  if (lab.checks.length === 0 && problems.length === 0)
    problems.push(`${file}: "checks" is empty; a lab that checks nothing grades nothing.`);
  return problems.length === 0 ? { lab } : { problems };
}

function readCheck(fields: Fields, problems: string[]): LabCheck | undefined {
  const name = fields.text('name');
  const kind = fields.text('kind');
  switch (kind) {
    case 'ended':
      return { name, kind, value: fields.whole('value', 0, 255) };
    case 'output':
      return { name, kind, contains: fields.texts('contains') };
    case 'transitions':
      return {
        name,
        kind,
        way: fields.way('way'),
        ...fields.optional('vector', 0, 255),
        ...(fields.has('onlyCause') ? { onlyCause: fields.choice('onlyCause', RING_CAUSE_NAMES) } : {}),
        ...fields.optional('minimum', 0, MOST_LIMIT),
        ...fields.optional('maximum', 0, MOST_LIMIT),
      };
    case 'alternates':
      return {
        name,
        kind,
        outward: fields.way('outward'),
        inward: fields.way('inward'),
        ...fields.optional('minimum', 0, MOST_LIMIT),
      };
    default:
      problems.push(
        `${fields.where}: "kind" is ${JSON.stringify(kind)}; it must be one of ended, output, transitions, alternates.`,
      );
      return undefined;
  }
}

/** Reads fields of one object of the lab file and collects what is wrong with them. */
class Fields {
  private readonly fields: Readonly<Record<string, unknown>>;
  private readonly known = new Set<string>();

  constructor(
    readonly where: string,
    value: unknown,
    private readonly problems: string[],
  ) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      // Any object that is not an array is a record of unknown fields.
      this.fields = value as Readonly<Record<string, unknown>>;
    } else {
      this.fields = {};
      problems.push(`${where} must be an object.`);
    }
  }

  record(): Readonly<Record<string, unknown>> {
    return this.fields;
  }

  private value(name: string): unknown {
    this.known.add(name);
    return this.fields[name];
  }

  /** A field that nobody has asked for is a misspelt one. */
  refuseOthers(): void {
    for (const name of Object.keys(this.fields)) {
      if (this.known.has(name)) continue;
      this.problems.push(`${this.where}: "${name}" is no field here; the fields are ${[...this.known].join(', ')}.`);
    }
  }

  has(name: string): boolean {
    return this.value(name) !== undefined;
  }

  text(name: string): string {
    const value = this.value(name);
    if (typeof value === 'string' && value !== '') return value;
    this.problems.push(`${this.where}: "${name}" must be a text.`);
    return '';
  }

  choice(name: string, choices: readonly string[]): string {
    const value = this.text(name);
    if (!choices.includes(value))
      this.problems.push(`${this.where}: "${name}" is "${value}"; it must be one of ${choices.join(', ')}.`);
    return value;
  }

  texts(name: string): readonly string[] {
    const value = this.value(name);
    if (Array.isArray(value) && value.length > 0 && value.every((v): v is string => typeof v === 'string'))
      return value;
    this.problems.push(`${this.where}: "${name}" must be a list of texts.`);
    return [];
  }

  whole(name: string, low: number, high: number): number {
    const value = this.value(name);
    if (typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high) return value;
    this.problems.push(`${this.where}: "${name}" must be a whole number from ${low} to ${high}.`);
    return low;
  }

  optional<K extends string>(name: K, low: number, high: number): Partial<Record<K, number>> {
    if (!this.has(name)) return {};
    const result: Partial<Record<K, number>> = {};
    result[name] = this.whole(name, low, high);
    return result;
  }

  way(name: string): RingWay {
    const value = this.text(name);
    if (WAY.test(value)) return value as RingWay; // the pattern is the type
    this.problems.push(`${this.where}: "${name}" must be two rings such as "3>0".`);
    return '3>0';
  }

  list(name: string): readonly Fields[] {
    const value = this.value(name);
    if (Array.isArray(value)) return value.map((v, i) => new Fields(`${this.where}: ${name}[${i}]`, v, this.problems));
    this.problems.push(`${this.where}: "${name}" must be a list.`);
    return [];
  }
}
