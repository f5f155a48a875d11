/** Views of the past, read from the event stream: ring transitions and VM exits. */
import { vectorName } from '../../debugger/event-filters';
import { qualificationText } from '../../debugger/exit-text';
import type { Session } from '../../debugger/session';
import { HANDLER_NAMES, NONE, RING_CAUSE_NAMES, RingCause } from '../../machine/event-kinds';
import type { EventObject } from '../../machine/events';
import { exitReasonName } from '../../x86/vmx/exit-reasons';
import type { ExitGroup, ExitRow, TransitionRow } from '../custom-requests';
import type { HandlerGroup } from '../handler';

const field = (event: EventObject, name: string): number => event.fields[name] ?? 0;

/** Most rows that a client gets at once. */
const MOST = 5000;

const limit = (most: number): number => Math.min(Math.max(0, Math.floor(most)), MOST);

function transition(session: Session, event: EventObject): TransitionRow {
  const cause = field(event, 'cause');
  const vector = field(event, 'vector');
  const place = session.locate(event.ip);
  const named = RING_CAUSE_NAMES[cause] ?? `cause ${cause}`;
  const known = vector !== NONE && cause <= RingCause.software;
  return {
    index: event.index,
    from: field(event, 'from'),
    to: field(event, 'to'),
    cause: known ? (cause === RingCause.exception ? vectorName(vector) : `${named} 0x${vector.toString(16)}`) : named,
    ...(known ? { vector } : {}),
    address: event.ip,
    ...(place === undefined ? {} : { location: place }),
    position: { count: event.count, step: event.step },
  };
}

function exit(session: Session, event: EventObject): ExitRow {
  const place = session.locate(event.ip);
  const instruction = session.instructionText(event.ip);
  return {
    index: event.index,
    reason: field(event, 'reason'),
    reasonName: exitReasonName(field(event, 'reason')),
    qualification: qualificationText(event),
    handler: HANDLER_NAMES[field(event, 'handler')] ?? 'none',
    ...(instruction === undefined ? {} : { instruction }),
    address: event.ip,
    ...(place === undefined ? {} : { location: place }),
    position: { count: event.count, step: event.step },
  };
}

export const historyRequests: HandlerGroup = {
  requests: {
    'ringside/transitions': (context, args) => {
      const session = context.stopped();
      const events = session.machine.events.newest(limit(args.most), (e) => e.kind === 'ring');
      return { total: session.facts.count('ring'), rows: events.map((event) => transition(session, event)) };
    },

    'ringside/exits': (context, args) => {
      const session = context.stopped();
      const { exitsByReason, exitCycles } = session.facts.all;
      const total = session.facts.count('exit');
      const cycles = Math.max(1, session.machine.ledger.total);
      const reasons = Object.keys(exitsByReason).map(Number);
      const latest = new Map<number, EventObject[]>(reasons.map((reason) => [reason, []]));
      const most = limit(args.mostPerGroup);
      // One pass from the newest record back fills the groups.
      const { events } = session.machine;
      let open = reasons.filter((reason) => Math.min(most, exitsByReason[reason] ?? 0) > 0).length;
      for (let i = events.endIndex - 1; i >= events.firstIndex && open > 0; i--) {
        const event = events.at(i);
        const group = event?.kind === 'exit' ? latest.get(field(event, 'reason')) : undefined;
        if (event === undefined || group === undefined || group.length >= most) continue;
        group.push(event);
        if (group.length === Math.min(most, exitsByReason[field(event, 'reason')] ?? 0)) open--;
      }
      const groups = reasons
        .map(
          (reason): ExitGroup => ({
            reason,
            reasonName: exitReasonName(reason),
            count: exitsByReason[reason] ?? 0,
            cyclesShare: (exitCycles[reason] ?? 0) / cycles,
            latest: (latest.get(reason) ?? []).map((event) => exit(session, event)),
          }),
        )
        .sort((a, b) => b.count - a.count || a.reason - b.reason);
      return { total, cyclesShare: groups.reduce((sum, g) => sum + g.cyclesShare, 0), groups };
    },
  },
};
