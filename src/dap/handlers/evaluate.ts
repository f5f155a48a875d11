/** Evaluation for watch, hover, console and clipboard, with assignments in the console, and completions. */
import { hex } from '../../debugger/addresses';
import { Expression, ExpressionError, type Target } from '../../debugger/expressions';
import { describeRegister } from '../../debugger/register-text';
import { registerNamed, REGISTERS } from '../../debugger/registers';
import type { Session } from '../../debugger/session';
import { type HandlerGroup, RequestError } from '../handler';
import { typedValue, valueText } from './variables';

/** `target = value` with a single equals sign. */
const ASSIGNMENT = /^([^=<>!]+)=(?!=)(.+)$/s;

function parsed<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof ExpressionError) throw new RequestError(error.message);
    throw error;
  }
}

function targetOf(session: Session, text: string): Target {
  return parsed(() => Expression.parse(text).target(session.scope));
}

interface Shown {
  readonly result: string;
  readonly memoryReference?: string;
}

function show(session: Session, text: string): Shown {
  return parsed(() => {
    const expression = Expression.parse(text);
    const value = expression.evaluate(session.scope);
    const register = registerNamed(text.trim());
    const address = expression.memoryRange(session.scope)?.address ?? value;
    const result =
      register === undefined
        ? valueText(session, value)
        : register.group === 'general'
          ? valueText(session, value)
          : describeRegister(register, session.view.state, (a) => session.symbolAt(a));
    return { result, memoryReference: hex(address) };
  });
}

export const evaluateRequests: HandlerGroup = {
  capabilities: { supportsEvaluateForHovers: true, completionTriggerCharacters: ['.', '[', '('] },
  requests: {
    evaluate: (context, args) => {
      const session = context.stopped();
      const assignment = args.context === 'repl' ? ASSIGNMENT.exec(args.expression) : null;
      if (assignment?.[1] !== undefined && assignment[2] !== undefined) {
        const target = targetOf(session, assignment[1]);
        session.assign(target, typedValue(session, assignment[2]));
        context.afterResponse(() => context.event('invalidated', { areas: ['variables', 'stacks'] }));
        return { ...show(session, assignment[1]), variablesReference: 0 };
      }
      return { ...show(session, args.expression), variablesReference: 0 };
    },

    setExpression: (context, args) => {
      const session = context.stopped();
      session.assign(targetOf(session, args.expression), typedValue(session, args.value));
      context.afterResponse(() => context.event('invalidated', { areas: ['variables', 'stacks'] }));
      return { value: show(session, args.expression).result };
    },

    completions: (context, args) => {
      const session = context.session();
      const before = args.text.slice(0, Math.max(0, args.column - 1));
      const word = /[A-Za-z_.$?][\w.$?#~]*$/.exec(before)?.[0] ?? '';
      const names = [
        ...REGISTERS.map((r) => ({ label: r.name, type: 'variable' as const })),
        ...session.program.codeMap.labelNames.map((label) => ({ label, type: 'function' as const })),
      ];
      const targets = names
        .filter(({ label }) => label.toLowerCase().startsWith(word.toLowerCase()))
        .slice(0, 200)
        .map((item) => ({ ...item, start: before.length - word.length, length: word.length }));
      return { targets };
    },
  },
};
