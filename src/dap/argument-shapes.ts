/** What the arguments of each request must look like, and the check that lets no other shape through to a handler. */
import { RequestError } from './handler';
import type { RequestName } from './requests';

const TYPES = {
  text: { name: 'string', matches: (value: unknown): boolean => typeof value === 'string' },
  whole: { name: 'whole number', matches: (value: unknown): boolean => Number.isSafeInteger(value) },
  flag: { name: 'true or false', matches: (value: unknown): boolean => typeof value === 'boolean' },
} as const;

type Shape = keyof typeof TYPES | Fields | { readonly list: Shape };
/** Fields that a handler reads, by name; `?` behind a name: may be absent. */
interface Fields {
  readonly [name: string]: Shape;
}

const SOURCE: Fields = { 'path?': 'text', 'name?': 'text', 'sourceReference?': 'whole' };
const CONDITIONS: Fields = { 'condition?': 'text', 'hitCondition?': 'text' };

const SHAPES: Readonly<Partial<Record<RequestName, Fields>>> = {
  initialize: { 'linesStartAt1?': 'flag' },
  setBreakpoints: {
    source: SOURCE,
    'breakpoints?': { list: { line: 'whole', 'logMessage?': 'text', ...CONDITIONS } },
  },
  setFunctionBreakpoints: { breakpoints: { list: { name: 'text', ...CONDITIONS } } },
  setInstructionBreakpoints: {
    breakpoints: { list: { instructionReference: 'text', 'offset?': 'whole', ...CONDITIONS } },
  },
  setExceptionBreakpoints: {
    filters: { list: 'text' },
    'filterOptions?': { list: { filterId: 'text', 'condition?': 'text' } },
  },
  setDataBreakpoints: { breakpoints: { list: { dataId: 'text', 'accessType?': 'text' } } },
  dataBreakpointInfo: { name: 'text', 'asAddress?': 'flag', 'bytes?': 'whole' },
  breakpointLocations: { source: SOURCE, line: 'whole', 'endLine?': 'whole' },
  next: { 'granularity?': 'text' },
  stepIn: { 'granularity?': 'text', 'targetId?': 'whole' },
  stackTrace: { 'startFrame?': 'whole', 'levels?': 'whole' },
  source: { 'source?': SOURCE, 'sourceReference?': 'whole' },
  scopes: { 'frameId?': 'whole' },
  variables: { variablesReference: 'whole', 'start?': 'whole', 'count?': 'whole' },
  setVariable: { variablesReference: 'whole', name: 'text', value: 'text' },
  setExpression: { expression: 'text', value: 'text' },
  evaluate: { expression: 'text', 'context?': 'text' },
  completions: { text: 'text', column: 'whole' },
  readMemory: { memoryReference: 'text', count: 'whole', 'offset?': 'whole' },
  writeMemory: { memoryReference: 'text', data: 'text', 'offset?': 'whole', 'allowPartial?': 'flag' },
  disassemble: {
    memoryReference: 'text',
    instructionCount: 'whole',
    'offset?': 'whole',
    'instructionOffset?': 'whole',
  },
  'ringside/transitions': { most: 'whole' },
  'ringside/exits': { mostPerGroup: 'whole' },
  'ringside/pageTables': { most: 'whole' },
  'ringside/serialInput': { text: 'text' },
  'ringside/locate': { address: 'whole' },
};

/**
 * The arguments of a request as its handler may read them: fields that are null are left out, as some clients mean it.
 * @throws RequestError naming the first field that is missing or of another type
 */
export function readArguments(command: string, given: unknown): unknown {
  // A command that is no request of ours finds no handler, and comes here with no row.
  const shape = Object.hasOwn(SHAPES, command) ? SHAPES[command as RequestName] : undefined;
  return shape === undefined ? (given ?? {}) : readFields(command, '', shape, given ?? {});
}

function readFields(command: string, place: string, shape: Fields, given: unknown): Readonly<Record<string, unknown>> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw wrong(command, place, 'object');
  const read: Record<string, unknown> = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  for (const [key, inner] of Object.entries(shape)) {
    const name = key.replace('?', '');
    const value = Object.hasOwn(read, name) ? read[name] : undefined;
    if (value === undefined && name !== key) continue;
    read[name] = readValue(command, place === '' ? name : `${place}.${name}`, inner, value);
  }
  return read;
}

function readValue(command: string, place: string, shape: Shape, value: unknown): unknown {
  if (typeof shape === 'string') {
    const type = TYPES[shape];
    if (!type.matches(value)) throw wrong(command, place, type.name);
    return value;
  }
  if (!isList(shape)) return readFields(command, place, shape, value);
  if (!Array.isArray(value)) throw wrong(command, place, 'list');
  const { list } = shape;
  return value.map((item: unknown, i) => readValue(command, `${place}[${i}]`, list, item));
}

/** No request has a field of the name `list`. */
function isList(shape: Fields | { readonly list: Shape }): shape is { readonly list: Shape } {
  return 'list' in shape;
}

function wrong(command: string, place: string, type: string): RequestError {
  if (place === '') return new RequestError(`The request "${command}" needs arguments in an object.`);
  return new RequestError(`The request "${command}" needs the argument "${place}" (${type}).`);
}
