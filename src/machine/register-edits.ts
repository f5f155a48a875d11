/** The registers that a user may edit, by name, as entries of the input log can name them. */
import { type CpuState, OFF } from '../engine/state';
import { GPR_NAMES_32 } from '../x86/registers';

export type RegisterEdit = (state: CpuState, value: number) => void;

/** Bits of EFLAGS that an edit changes: CF, PF, AF, ZF, SF, TF, IF, DF, OF, NT, AC, ID; not IOPL, VM and the rest. */
const EDITABLE_FLAGS = 0x0024_4fd5;

/** Segment and control registers are not among them: changing those takes more than a number. */
export const REGISTER_EDITS: ReadonlyMap<string, RegisterEdit> = new Map<string, RegisterEdit>([
  ...GPR_NAMES_32.map((name, i): [string, RegisterEdit] => [name, (state, value) => state.setGpr(i, value)]),
  [
    'eip',
    (state, value) => {
      state.eip = value;
    },
  ],
  [
    'eflags',
    (state, value) => {
      state.eflags = (state.eflags & ~EDITABLE_FLAGS) | (value & EDITABLE_FLAGS);
    },
  ],
  ['cr2', (state, value) => state.setWord(OFF.cr2, value)],
]);
