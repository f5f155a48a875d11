/** Breakpoints of every kind: source lines, labels, instructions, machine events. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { hex, parseAddress } from '../../debugger/addresses';
import type { Breakpoint } from '../../debugger/breakpoints';
import { EVENT_FILTERS } from '../../debugger/event-filters';
import { Expression, ExpressionError } from '../../debugger/expressions';
import type { Session } from '../../debugger/session';
import type { AdapterContext, HandlerGroup } from '../handler';

function described(context: AdapterContext, breakpoint: Breakpoint): DebugProtocol.Breakpoint {
  const { id, verified, message, path, line, places } = breakpoint;
  const address = places[0]?.address;
  return {
    id,
    verified,
    ...(message === undefined ? {} : { message }),
    ...(path === undefined ? {} : { source: source(path) }),
    ...(line === undefined ? {} : { line: context.lineToClient(line) }),
    ...(address === undefined ? {} : { instructionReference: hex(address) }),
  };
}

/** A source for the client: the last part of the path as its name. */
export function source(path: string): DebugProtocol.Source {
  return { name: path.split(/[\\/]/).pop() ?? path, path };
}

interface Range {
  readonly address: number;
  readonly length: number;
}

/** A range that the user typed as an address; a sentence when it is none. */
function addressRange(text: string, bytes = 4): Range | string {
  const address = parseAddress(text);
  if ('problem' in address) return address.problem;
  if (address.space !== 'linear') return 'A data breakpoint needs a linear address such as 0x401000.';
  return { address: address.address, length: bytes };
}

/** The memory that an expression reads, or four bytes where its value points; a sentence when it is no expression. */
function expressionRange(session: Session, text: string): Range | string {
  try {
    const expression = Expression.parse(text);
    const target = expression.memoryRange(session.scope);
    return target ?? { address: expression.evaluate(session.scope), length: 4 };
  } catch (error) {
    if (error instanceof ExpressionError) return error.message;
    throw error;
  }
}

export const breakpointRequests: HandlerGroup = {
  capabilities: {
    supportsConditionalBreakpoints: true,
    supportsHitConditionalBreakpoints: true,
    supportsLogPoints: true,
    supportsExceptionFilterOptions: true,
    supportsDataBreakpointBytes: true,
    exceptionBreakpointFilters: EVENT_FILTERS.map((filter) => ({
      filter: filter.id,
      label: filter.label,
      description: filter.description,
      default: filter.on,
      supportsCondition: true,
      ...(filter.condition === undefined
        ? {}
        : { conditionDescription: `An expression, for example ${filter.condition}` }),
    })),
  },
  requests: {
    setBreakpoints: (context, args) => {
      const session = context.session();
      const path = args.source.path ?? args.source.name ?? '';
      const wanted = (args.breakpoints ?? []).map((b) => ({ ...b, line: context.lineFromClient(b.line) }));
      const set = session.changeBreakpoints((table) => table.setSource(path, wanted));
      return { breakpoints: set.map((b) => described(context, b)) };
    },

    setFunctionBreakpoints: (context, args) => {
      const set = context.session().changeBreakpoints((table) => table.setFunctions(args.breakpoints));
      return { breakpoints: set.map((b) => described(context, b)) };
    },

    setInstructionBreakpoints: (context, args) => {
      const session = context.session();
      const wanted: { address: number; condition?: string; hitCondition?: string }[] = [];
      const problems = args.breakpoints.map((b) => {
        const address = parseAddress(b.instructionReference);
        if ('problem' in address) return address.problem;
        if (address.space !== 'linear') return 'A breakpoint needs a linear address such as 0x100000.';
        const { condition, hitCondition } = b;
        wanted.push({
          address: (address.address + (b.offset ?? 0)) >>> 0,
          ...(condition === undefined ? {} : { condition }),
          ...(hitCondition === undefined ? {} : { hitCondition }),
        });
        return undefined;
      });
      const set = [...session.changeBreakpoints((table) => table.setInstructions(wanted))];
      const breakpoints = problems.map((message): DebugProtocol.Breakpoint => {
        const made = message === undefined ? set.shift() : undefined;
        return made === undefined
          ? { verified: false, ...(message === undefined ? {} : { message }) }
          : described(context, made);
      });
      return { breakpoints };
    },

    setExceptionBreakpoints: (context, args) => {
      const active = [
        ...args.filters.map((id) => ({ id })),
        ...(args.filterOptions ?? []).map(({ filterId, condition }) => ({
          id: filterId,
          ...(condition === undefined ? {} : { condition }),
        })),
      ];
      const problems = context.session().filters.set(active);
      return {
        breakpoints: problems.map((message) =>
          message === undefined ? { verified: true } : { verified: false, message },
        ),
      };
    },

    dataBreakpointInfo: (context, args) => {
      const session = context.stopped();
      const place = args.asAddress === true ? addressRange(args.name, args.bytes) : expressionRange(session, args.name);
      if (typeof place === 'string') return { dataId: null, description: place };
      return {
        dataId: `${hex(place.address)}/${place.length}`,
        description: `${place.length} byte${place.length === 1 ? '' : 's'} at ${hex(place.address)}`,
        accessTypes: ['read', 'write', 'readWrite'],
        canPersist: true,
      };
    },

    setDataBreakpoints: (context, args) => {
      const session = context.session();
      const wanted = args.breakpoints.map((b) => {
        const [address = '', length = '1'] = b.dataId.split('/');
        return { linear: Number(address) >>> 0, length: Number(length), access: b.accessType ?? 'write' };
      });
      return {
        breakpoints: session.setDataBreakpoints(wanted).map(({ id, verified, message }) => ({
          id,
          verified,
          ...(message === undefined ? {} : { message }),
        })),
      };
    },

    breakpointLocations: (context, args) => {
      const session = context.session();
      const from = context.lineFromClient(args.line);
      const to = args.endLine === undefined ? from : context.lineFromClient(args.endLine);
      const lines = session.program.codeMap.codeLines(args.source.path ?? '', from, to);
      return { breakpoints: lines.map((line) => ({ line: context.lineToClient(line) })) };
    },

    exceptionInfo: (context) => {
      const { exception } = context.stopped();
      return {
        exceptionId: exception?.id ?? 'none',
        description: exception?.description ?? 'The last stop was no exception.',
        breakMode: 'always',
      };
    },
  },
};
