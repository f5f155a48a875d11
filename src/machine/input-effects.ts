/** What each kind of input does to the guest when the run loop applies it. */
import type { CpuState } from '../engine/state';
import type { EventStream } from './events';
import type { GuestView } from './guest-view';
import type { InputData } from './input-log';
import { REGISTER_EDITS } from './register-edits';

/** The first word of an `input` event. */
export const InputWhat = { serial: 0, interrupt: 1, memory: 2, register: 3 } as const satisfies Record<
  InputData['kind'],
  number
>;

/**
 * Applies an input and emits it.
 * @param editState applies a change to the registers as the guest believes them to be
 */
export function applyInput(
  data: InputData,
  view: GuestView,
  events: EventStream,
  editState: (edit: (state: CpuState) => void) => void,
): void {
  const what = InputWhat[data.kind];
  switch (data.kind) {
    case 'serial':
      events.emit('input', what, data.byte);
      view.platform.receiveSerial(data.byte);
      break;
    case 'interrupt':
      events.emit('input', what, data.line);
      view.platform.pulseLine(data.line);
      break;
    case 'memory':
      events.emit('input', what, data.gpa, data.bytes.length);
      view.writeGpa(data.gpa, data.bytes);
      break;
    case 'register': {
      events.emit('input', what, [...REGISTER_EDITS.keys()].indexOf(data.register), data.value);
      const edit = REGISTER_EDITS.get(data.register);
      if (edit !== undefined) editState((state) => edit(state, data.value));
    }
  }
}

/** The sentence for an input that can never be applied; undefined when it can. */
export function inputProblem(data: InputData): string | undefined {
  switch (data.kind) {
    case 'interrupt':
      // Line 2 is the cascade between the two controllers.
      return Number.isInteger(data.line) && data.line >= 0 && data.line < 16 && data.line !== 2
        ? undefined
        : `There is no interrupt line ${data.line}; lines are 0 to 15 without 2, which joins the two controllers.`;
    case 'register':
      return REGISTER_EDITS.has(data.register)
        ? undefined
        : `The register ${data.register} cannot be edited; those that can are ${[...REGISTER_EDITS.keys()].join(', ')}.`;
    default:
      return undefined;
  }
}
