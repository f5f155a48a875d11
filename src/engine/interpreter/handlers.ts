/**
 * Which instruction forms the interpreter handles itself, under which handler numbers. Both the generator and the
 * decoder derive their numbers from this list, so a built interpreter fits the decoder of the same source.
 */
import { type InstructionForm, instructionForms } from '../../x86/instruction-table';
import type { RepeatKind } from '../../x86/semantics/context';
import { FIRST_HANDLER } from './op';

/** Where an operand is: register, immediate, memory by base, index and displacement, memory by base and displacement. */
export type Place = 'r' | 'i' | 'm' | 'b';

export interface Handler {
  readonly number: number;
  readonly form: InstructionForm;
  readonly places: readonly Place[];
  readonly repeat: RepeatKind;
  /** In the main loop; the others are functions of their own. */
  readonly hot: boolean;
}

/** Forms that only the evaluator executes: rare, or with accesses that cannot all be checked beforehand. */
const EVALUATED = new Set([
  'Pushfd',
  'Pushfw',
  'Enterd',
  'Enterw',
  'Pushaw',
  'Popaw',
  'Pushad',
  'Popad',
  'Leavew',
  'Retnw',
  'Lahf',
  'Sahf',
  'Daa',
  'Das',
  'Aaa',
  'Aas',
  'Aam',
  'Aad',
  'Xlat',
]);

/** What goes through the stack segment by implication. */
export const USES_STACK = new Set(['Push', 'Pop', 'Call', 'CallIndirect', 'Retnd', 'RetImmediate', 'Leaved']);

/** Control transfers must be in the main loop, since only that knows the next op. */
const TRANSFERS = /^(J[a-z]+|Jmp|JmpIndirect|Call|CallIndirect|Retnd|RetImmediate|Loop|Loope|Loopne)$/;
const HOT =
  /^(Mov|MovsxByte|MovsxWord|Lea|Add|Sub|Cmp|And|Or|Xor|Test|Inc|Dec|Neg|Push|Pop|Shl|Shr|Sar|ImulTwo|ImulThree|Movs|Stos|Leaved|Cdq|Nop|Nopd|Adc|Sbb)$/;
const HOT_BYTES = /^(Mov|Cmp|Test|Movs|Stos|And|Or|Xor|Inc|Dec)$/;

function isHot(form: InstructionForm): boolean {
  if (TRANSFERS.test(form.name)) return true;
  return form.size === 4 ? HOT.test(form.name) : form.size === 1 && HOT_BYTES.test(form.name);
}

function isEvaluated(form: InstructionForm, places: readonly Place[]): boolean {
  if (EVALUATED.has(form.name)) return true;
  const inMemory = places.includes('m');
  // POP to memory moves ESP before its last access; bit tests by register index leave their operand.
  if ((form.name === 'Pop' || form.name.endsWith('ByRegister')) && inMemory) return true;
  // Word-sized transfers truncate EIP, and word-sized counts and addresses wrap at 64 KiB.
  return form.countSize === 2 || (form.size === 2 && TRANSFERS.test(form.name));
}

function placesOf(form: InstructionForm): Place[][] {
  let all: Place[][] = [[]];
  for (const operand of form.operands) {
    const choices: Place[] =
      operand.shape === 'immediate'
        ? ['i']
        : operand.shape === 'register'
          ? ['r']
          : operand.shape === 'memory'
            ? ['m', 'b']
            : ['r', 'm', 'b'];
    all = all.flatMap((places) => choices.map((choice) => [...places, choice]));
  }
  return all;
}

function repeatsOf(form: InstructionForm): RepeatKind[] {
  if (!form.isString) return ['none'];
  return form.name === 'Scas' || form.name === 'Cmps' ? ['none', 'repe', 'repne'] : ['none', 'rep'];
}

/** What a handler depends on; equal keys, equal code. Immediates are ready-made words, whatever their encoded size. */
export function handlerKey(form: InstructionForm, places: readonly Place[], repeat: RepeatKind): string {
  const operands = places.map((place, i) => (place === 'i' ? 'i' : `${place}${form.operands[i]?.size ?? 0}`));
  return `${form.name} ${form.size} ${operands.join(' ')} ${repeat}`;
}

let listed: ReadonlyMap<string, Handler> | undefined;

/** The handlers by key, numbered: hot ones first. The list is a function of the source alone, so it is made once. */
export function listHandlers(): ReadonlyMap<string, Handler> {
  listed ??= makeHandlers();
  return listed;
}

function makeHandlers(): ReadonlyMap<string, Handler> {
  const found = new Map<string, Omit<Handler, 'number'>>();
  for (const form of instructionForms()) {
    for (const places of placesOf(form)) {
      const hot = isHot(form);
      // The shorter address form is worth a handler of its own only where it is frequent.
      if (isEvaluated(form, places) || (places.includes('b') && !hot)) continue;
      if (
        isEvaluated(
          form,
          places.map((place) => (place === 'b' ? 'm' : place)),
        )
      )
        continue;
      for (const repeat of repeatsOf(form)) {
        const key = handlerKey(form, places, repeat);
        if (!found.has(key)) found.set(key, { form, places, repeat, hot });
      }
    }
  }
  const entries = [...found];
  const ordered = [...entries.filter(([, h]) => h.hot), ...entries.filter(([, h]) => !h.hot)];
  return new Map(ordered.map(([key, handler], i) => [key, { ...handler, number: FIRST_HANDLER + i }]));
}
