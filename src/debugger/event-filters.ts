/** What a user may break on besides places in the code: kinds of machine events, as data, with conditions on their fields. */
import {
  DeliveryKind,
  type EventKind,
  eventKindNumber,
  RING_CAUSE_NAMES,
  SHADOW_OP_NAMES,
  StopCause,
} from '../machine/event-kinds';
import { EVENT_WORDS, type EventObject, EW, readEvent } from '../machine/events';
import { exceptionInfo } from '../x86/exceptions';
import { exitReasonName } from '../x86/vmx/exit-reasons';
import { hex, hex32 } from './addresses';
import { Expression, ExpressionError, type ExpressionScope } from './expressions';

export interface EventFilter {
  readonly id: string;
  readonly label: string;
  readonly description: string;
  readonly on: boolean;
  readonly kind: EventKind;
  /** Field names that a condition may use; an example for the user. */
  readonly condition?: string;
  passes?(event: EventObject): boolean;
  /** One line that names the cause of the stop. */
  describe(event: EventObject): string;
}

/** `#PF` or `vector 0x20`. */
export function vectorName(vector: number): string {
  return exceptionInfo(vector)?.mnemonic ?? `vector ${hex(vector)}`;
}

function describeFault(event: EventObject): string {
  const { vector = 0, errorCode = 0, cr2 = 0 } = event.fields;
  const info = exceptionInfo(vector);
  const code = info?.errorCode === true ? `, error code ${hex(errorCode)}` : '';
  const address = vector === 14 ? ` at ${hex32(cr2)}` : '';
  return `${info?.mnemonic ?? vectorName(vector)} ${info?.name ?? ''}${address}${code}`;
}

const field = (event: EventObject, name: string): number => event.fields[name] ?? 0;

export const EVENT_FILTERS: readonly EventFilter[] = [
  {
    id: 'triple-fault',
    label: 'Triple fault',
    description: 'The guest could not even enter its double-fault handler; a real machine would reset.',
    on: true,
    kind: 'stop',
    passes: (e) => field(e, 'cause') === StopCause.tripleFault,
    describe: () => 'Triple fault',
  },
  {
    id: 'vm-entry-fail',
    label: 'VM entry failure',
    description: 'The processor refused the guest state or the controls of the VMCS.',
    on: true,
    kind: 'stop',
    passes: (e) => field(e, 'cause') === StopCause.entryFailure,
    describe: () => 'VM entry failure',
  },
  {
    id: 'cpu-fault',
    label: 'Processor exception',
    description: 'An exception that the guest gets to see, after its delivery.',
    on: false,
    kind: 'deliver',
    condition: 'vector == 13',
    passes: (e) => field(e, 'kind') === DeliveryKind.exception,
    describe: describeFault,
  },
  {
    id: 'page-fault',
    label: 'Page fault',
    description: 'A page fault that the guest gets to see (hidden faults are not among them).',
    on: false,
    kind: 'deliver',
    condition: 'cr2 >= 0x40000000',
    passes: (e) => field(e, 'kind') === DeliveryKind.exception && field(e, 'vector') === 14,
    describe: describeFault,
  },
  {
    id: 'interrupt',
    label: 'Interrupt',
    description: 'A hardware interrupt that the guest gets to see, after its delivery.',
    on: false,
    kind: 'deliver',
    condition: 'vector == 0x20',
    passes: (e) => field(e, 'kind') === DeliveryKind.interrupt,
    describe: (e) => `Interrupt ${hex(field(e, 'vector'))}`,
  },
  {
    id: 'ring-change',
    label: 'Ring change',
    description: 'The guest changes its privilege level.',
    on: false,
    kind: 'ring',
    condition: 'from == 3',
    describe: (e) =>
      `Ring ${field(e, 'from')} to ring ${field(e, 'to')} by ${RING_CAUSE_NAMES[field(e, 'cause')] ?? 'an event'}`,
  },
  {
    id: 'vm-exit',
    label: 'VM exit or trap into the VMM',
    description: 'The guest loses the processor to the VMM; the stop is where the guest goes on.',
    on: false,
    kind: 'exit',
    condition: 'reason == 48',
    describe: (e) => `VM exit ${field(e, 'reason')} ${exitReasonName(field(e, 'reason'))}`,
  },
  {
    id: 'cr-write',
    label: 'Control register write',
    description: 'The guest writes CR0, CR3 or CR4.',
    on: false,
    kind: 'control',
    condition: 'register == 3',
    describe: (e) => `CR${field(e, 'register')} ${hex32(field(e, 'old'))} to ${hex32(field(e, 'value'))}`,
  },
  {
    id: 'io',
    label: 'Port access',
    description: 'The guest reads or writes an I/O port.',
    on: false,
    kind: 'pio',
    condition: 'port == 0x3f8',
    describe: (e) =>
      `${field(e, 'direction') === 0 ? 'IN from' : 'OUT to'} port ${hex(field(e, 'port'))}, value ${hex(field(e, 'value'))}`,
  },
  {
    id: 'shadow-update',
    label: 'Shadow table update',
    description: 'The VMM fills, drops or protects shadow entries, or switches the shadow root.',
    on: false,
    kind: 'shadow',
    condition: 'gva >= 0x40000000',
    describe: (e) => `Shadow ${SHADOW_OP_NAMES[field(e, 'op')] ?? 'update'} for ${hex32(field(e, 'gva'))}`,
  },
];

export interface ActiveFilter {
  readonly id: string;
  readonly condition?: string;
}

interface Armed {
  readonly filter: EventFilter;
  readonly condition: Expression | undefined;
}

/** The filters that a user switched on, held against each event as it is emitted. */
export class EventFilters {
  private armed = new Map<number, readonly Armed[]>();

  constructor() {
    this.set(EVENT_FILTERS.filter((f) => f.on).map((f) => ({ id: f.id })));
  }

  /** Replaces what is switched on; per filter a problem sentence, or undefined when it is armed. */
  set(active: readonly ActiveFilter[]): readonly (string | undefined)[] {
    const armed = new Map<number, readonly Armed[]>();
    const problems = active.map(({ id, condition }) => {
      const filter = EVENT_FILTERS.find((f) => f.id === id);
      if (filter === undefined)
        return `There is no filter "${id}"; the filters are ${EVENT_FILTERS.map((f) => f.id).join(', ')}.`;
      try {
        const parsed = condition === undefined || condition.trim() === '' ? undefined : Expression.parse(condition);
        const kind = eventKindNumber(filter.kind);
        armed.set(kind, [...(armed.get(kind) ?? []), { filter, condition: parsed }]);
        return undefined;
      } catch (error) {
        if (error instanceof ExpressionError) return error.message;
        throw error;
      }
    });
    this.armed = armed;
    return problems;
  }

  /** Takes over what is switched on elsewhere. */
  takeFrom(other: EventFilters): void {
    this.armed = other.armed;
  }

  /** The first filter that an event meets. Conditions see the event's fields before registers and labels. */
  match(
    words: Uint32Array,
    offset: number,
    scope: () => ExpressionScope,
  ): { readonly filter: EventFilter; readonly event: EventObject } | undefined {
    const armed = this.armed.get((words[offset + EW.head] ?? 0) & 0xff);
    if (armed === undefined) return undefined;
    const event = readEvent(words.slice(offset, offset + EVENT_WORDS), 0, -1);
    for (const { filter, condition } of armed) {
      if (filter.passes?.(event) === false) continue;
      if (condition === undefined || isTrue(condition, event, scope())) return { filter, event };
    }
    return undefined;
  }
}

/** A condition that cannot be evaluated counts as met, so that its owner learns of it. */
function isTrue(condition: Expression, event: EventObject, scope: ExpressionScope): boolean {
  try {
    return condition.evaluate({ ...scope, register: (name) => event.fields[name] ?? scope.register(name) }) !== 0;
  } catch (error) {
    if (error instanceof ExpressionError) return true;
    throw error;
  }
}
