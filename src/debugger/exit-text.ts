/** Exit qualifications in words (Intel SDM 3C, "Basic VM-Exit Information", the tables of qualifications). */
import { NONE } from '../machine/event-kinds';
import type { EventObject } from '../machine/events';
import { GPR_NAMES_32 } from '../x86/registers';
import { ExitReason } from '../x86/vmx/exit-reasons';
import { hex, hex32 } from './addresses';
import { vectorName } from './event-filters';

const field = (event: EventObject, name: string): number => event.fields[name] ?? 0;

/** What an exit's qualification, vector and addresses say; empty where there is nothing to say. */
const TEXTS: Readonly<Record<number, (event: EventObject) => string>> = {
  [ExitReason.exceptionOrNmi]: (e) => {
    const vector = field(e, 'vector');
    const linear = field(e, 'linear');
    return vector === 14 && linear !== NONE ? `${vectorName(vector)} at ${hex32(linear)}` : vectorName(vector);
  },
  [ExitReason.externalInterrupt]: (e) => (field(e, 'vector') === NONE ? '' : vectorName(field(e, 'vector'))),
  [ExitReason.invlpg]: (e) => hex32(field(e, 'qualification')),
  [ExitReason.controlRegister]: (e) => {
    const q = field(e, 'qualification');
    const cr = `cr${q & 15}`;
    const register = GPR_NAMES_32[(q >> 8) & 7] ?? 'register';
    return [`mov ${cr}, ${register}`, `mov ${register}, ${cr}`, 'clts', 'lmsw'][(q >> 4) & 3] ?? '';
  },
  [ExitReason.movDr]: (e) => {
    const q = field(e, 'qualification');
    const register = GPR_NAMES_32[(q >> 8) & 7] ?? 'register';
    return (q & 0x10) === 0 ? `mov dr${q & 7}, ${register}` : `mov ${register}, dr${q & 7}`;
  },
  [ExitReason.io]: (e) => {
    const q = field(e, 'qualification');
    return `${(q & 8) === 0 ? 'out to' : 'in from'} port ${hex(q >>> 16)}, ${(q & 7) + 1} byte${(q & 7) === 0 ? '' : 's'}`;
  },
  [ExitReason.eptViolation]: (e) => {
    const q = field(e, 'qualification');
    const access = (q & 2) !== 0 ? 'write' : (q & 4) !== 0 ? 'fetch' : 'read';
    return `${access} at gpa ${hex32(field(e, 'gpa'))}`;
  },
};

export function qualificationText(event: EventObject): string {
  return TEXTS[field(event, 'reason')]?.(event) ?? '';
}
