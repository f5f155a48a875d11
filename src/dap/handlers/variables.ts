/** Scopes and variables: the registers in groups whose names, order and numbers never change, so that no tree collapses. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { hex, hex32 } from '../../debugger/addresses';
import { Expression, ExpressionError } from '../../debugger/expressions';
import { describeRegister, registerParts } from '../../debugger/register-text';
import { type RegisterGroup, type RegisterInfo, registerNamed, REGISTERS, registersOf } from '../../debugger/registers';
import type { Session } from '../../debugger/session';
import { type HandlerGroup, RequestError } from '../handler';

interface ScopeInfo {
  readonly reference: number;
  readonly name: string;
  readonly group: RegisterGroup;
}

const SCOPES: readonly ScopeInfo[] = [
  { reference: 1, name: 'Registers', group: 'general' },
  { reference: 2, name: 'Flags', group: 'flag' },
  { reference: 3, name: 'Segments', group: 'segment' },
  { reference: 4, name: 'Control', group: 'control' },
  { reference: 5, name: 'System', group: 'system' },
];

/** The values that a VMM handler's step shows. */
const HANDLER_SCOPE = 6;
/** Frame of a VMM handler, above all guest frames. */
export const HANDLER_FRAME = 1000;

function handlerVariables(session: Session): DebugProtocol.Variable[] {
  const step = session.handlerStep;
  if (step === undefined) return [];
  return Object.entries(step.values).map(([name, value]) => ({
    name,
    value: typeof value === 'number' ? valueText(session, value >>> 0) : value,
    variablesReference: 0,
    presentationHint: { attributes: ['readOnly'] },
  }));
}

/** References of the parts of a register: its place in the table above this base. */
const PARTS_BASE = 100;

function variable(session: Session, register: RegisterInfo): DebugProtocol.Variable {
  const value = register.read(session.view.state);
  const name = register.group === 'general' ? register.name : register.name.toUpperCase();
  const parts = registerParts(register, session.view.state);
  const isAddress = register.group === 'general' && register.bits === 32;
  return {
    name,
    value: describeRegister(register, session.view.state, (address) => session.symbolAt(address)),
    type: `${register.bits} bit`,
    evaluateName: register.name,
    variablesReference: parts.length === 0 ? 0 : PARTS_BASE + REGISTERS.indexOf(register),
    ...(isAddress && register.name !== 'eflags' ? { memoryReference: hex(value) } : {}),
    ...(register.write === undefined ? { presentationHint: { attributes: ['readOnly'] } } : {}),
  };
}

function partsOf(session: Session, reference: number): DebugProtocol.Variable[] {
  const register = REGISTERS[reference - PARTS_BASE];
  if (register === undefined) throw new RequestError(`There are no variables with the reference ${reference}.`);
  return registerParts(register, session.view.state).map((part) => ({
    name: part.name,
    value: part.value,
    variablesReference: 0,
    presentationHint: { attributes: ['readOnly'] },
    ...(part.address === undefined ? {} : { memoryReference: hex(part.address) }),
  }));
}

/** The value that a user typed: any expression. */
export function typedValue(session: Session, text: string): number {
  try {
    return Expression.parse(text).evaluate(session.scope);
  } catch (error) {
    if (error instanceof ExpressionError) throw new RequestError(error.message);
    throw error;
  }
}

export const variableRequests: HandlerGroup = {
  capabilities: { supportsValueFormattingOptions: false, supportsClipboardContext: true },
  requests: {
    scopes: (context, args) => {
      const session = context.stopped();
      const inHandler = args.frameId === HANDLER_FRAME && session.handlerStep !== undefined;
      const handler: DebugProtocol.Scope[] = inHandler
        ? [{ name: 'Handler step', variablesReference: HANDLER_SCOPE, expensive: false, presentationHint: 'locals' }]
        : [];
      const registers = SCOPES.map(
        ({ reference, name, group }): DebugProtocol.Scope => ({
          name,
          variablesReference: reference,
          expensive: false,
          namedVariables: registersOf(group).length,
          ...(group === 'general' ? { presentationHint: 'registers' } : {}),
        }),
      );
      return { scopes: [...handler, ...registers] };
    },

    variables: (context, args) => {
      const session = context.stopped();
      const scope = SCOPES.find((s) => s.reference === args.variablesReference);
      const variables =
        args.variablesReference === HANDLER_SCOPE
          ? handlerVariables(session)
          : scope === undefined
            ? partsOf(session, args.variablesReference)
            : registersOf(scope.group).map((register) => variable(session, register));
      const start = args.start ?? 0;
      const end = args.count === undefined || args.count === 0 ? variables.length : start + args.count;
      return { variables: variables.slice(start, end) };
    },

    setVariable: (context, args) => {
      const session = context.stopped();
      const scope = SCOPES.find((s) => s.reference === args.variablesReference);
      const register = registerNamed(args.name);
      if (scope === undefined || register?.group !== scope.group)
        throw new RequestError(`"${args.name}" cannot be set.`);
      session.assign({ kind: 'register', name: register.name }, typedValue(session, args.value));
      context.afterResponse(() => context.event('invalidated', { areas: ['variables', 'stacks'] }));
      const made = variable(session, register);
      return { value: made.value, ...(made.type === undefined ? {} : { type: made.type }) };
    },
  },
};

/** How a value without a register of its own is shown: hexadecimal, decimal, and the label it points at. */
export function valueText(session: Session, value: number): string {
  const symbol = session.symbolAt(value);
  return `${hex32(value)} (${value})${symbol === undefined ? '' : ` ${symbol}`}`;
}
