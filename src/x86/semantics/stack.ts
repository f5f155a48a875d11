/** Stack instructions (Intel SDM 1, "Procedure Calls, Interrupts, and Exceptions"). */
import { RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP } from '../registers';
import type { SemanticContext } from './context';

export function push<V>(c: SemanticContext<V>): void {
  // Read first: PUSH ESP stores the old value, and a source addressed by ESP uses it.
  pushValue(c, c.read(0));
}

export function pushValue<V>(c: SemanticContext<V>, value: V): void {
  const top = c.subtract(c.stackPointer(), c.constant(c.size));
  c.store('stack', top, value, c.size);
  c.setStackPointer(top);
}

export function pushf<V>(c: SemanticContext<V>): void {
  pushValue(c, c.flagsImage());
}

/** ESP moves before the destination is written: POP ESP keeps what was popped, and [esp] means the new top. */
export function pop<V>(c: SemanticContext<V>): void {
  const top = c.stackPointer();
  const value = c.load('stack', top, c.size);
  c.setStackPointer(c.add(top, c.constant(c.size)));
  c.write(0, value);
}

const ALL = [RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI] as const;

export function pusha<V>(c: SemanticContext<V>): void {
  let top = c.stackPointer();
  for (const register of ALL) {
    top = c.subtract(top, c.constant(c.size));
    c.store('stack', top, c.gpr(register, c.size), c.size);
  }
  c.setStackPointer(top);
}

export function popa<V>(c: SemanticContext<V>): void {
  const top = c.stackPointer();
  // All is read before any register changes; the stored ESP is passed over.
  const values = ALL.map((register, i) =>
    register === RSP ? undefined : c.load('stack', c.add(top, c.constant((7 - i) * c.size)), c.size),
  );
  ALL.forEach((register, i) => {
    const value = values[i];
    if (value !== undefined) c.setGpr(register, value, c.size);
  });
  c.setStackPointer(c.add(top, c.constant(8 * c.size)));
}

export function leave<V>(c: SemanticContext<V>): void {
  const frame = c.framePointer();
  const saved = c.load('stack', frame, c.size);
  c.setStackPointer(c.add(frame, c.constant(c.size)));
  c.setGpr(RBP, saved, c.size);
}

export function enter<V>(c: SemanticContext<V>): void {
  const level = c.immediate(1) & 31;
  const step = c.constant(c.size);
  let top = c.subtract(c.stackPointer(), step);
  c.store('stack', top, c.gpr(RBP, c.size), c.size);
  const frame = top;
  let outer = c.framePointer();
  for (let i = 1; i < level; i++) {
    outer = c.subtract(outer, step);
    const link = c.load('stack', outer, c.size);
    top = c.subtract(top, step);
    c.store('stack', top, link, c.size);
  }
  if (level > 0) {
    top = c.subtract(top, step);
    c.store('stack', top, frame, c.size);
  }
  top = c.subtract(top, c.constant(c.immediate(0) & 0xffff));
  // A stack that could not be written at its new top faults now (SDM 2, "ENTER").
  c.checkStore('stack', top, c.size);
  c.setGpr(RBP, frame, c.size);
  c.setStackPointer(top);
}
