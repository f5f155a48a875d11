/**
 * Generates the interpreter: one WebAssembly function that loops over the ops of a block and dispatches with br_table to
 * the hot handlers, and a table of functions for the others. It runs at build time; the module depends on nothing but
 * this source.
 */
import { EXIT_BUDGET, EXIT_OP, OP_SIZE, STATE_BASE } from '../layout';
import { OFF } from '../state';
import { type FunctionBody, I32, type Label, ModuleBuilder, W } from '../wasm/emitter';
import { type Ending, HandlerContext } from './handler-context';
import { type Handler, listHandlers } from './handlers';
import { emitCheckCodeStore, pushJumpCacheEntry } from './lookup-code';
import { EXIT, FIRST_HANDLER, OP, PSEUDO } from './op';
import { Locals } from './value-emitter';

/** What a handler function returns. */
const DONE = 0;
const BAIL = 1;
const AGAIN = 2;

/** The type of the exported function `run`. Returns an EXIT number; EXIT_OP and EXIT_BUDGET hold the rest. */
export type RunInterpreter = (op: number, budget: number, fastRead: number, fastWrite: number) => number;

/** Runs the semantics twice, as HandlerContext says; only the second pass stays in the body. */
function generateHandler(body: FunctionBody, locals: Locals, handler: Handler, bail: Label): Ending {
  const draft = body.mark();
  const first = new HandlerContext(body, locals, handler, bail, undefined).generate();
  first.ending.branch?.push();
  body.rewind(draft);
  return new HandlerContext(body, locals, handler, bail, first.uses).generate().ending;
}

function coldFunction(builder: ModuleBuilder, type: number, handler: Handler, checkCodeStore: number): number {
  const { index, body } = builder.func(type);
  const again = body.local(I32);
  const target = body.local(I32);
  const locals = new Locals(body, 0, 1, 2, again, target, checkCodeStore);
  const bail = body.block();
  const ending = generateHandler(body, locals, handler, bail);
  if (ending.branch !== undefined || ending.jumps) throw new Error(`${handler.form.name} must be a hot handler.`);
  if (ending.repeats) {
    body.i32(AGAIN);
    body.i32(DONE);
    body.get(again);
    body.op(W.select);
  } else body.i32(DONE);
  body.op(W.return);
  body.end();
  body.i32(BAIL);
  return index;
}

/** The generated module; about 10 ms. Every call gives the same bytes. */
export function generateInterpreter(): Uint8Array {
  const handlers = [...listHandlers().values()];
  const hot = handlers.filter((handler) => handler.hot);
  const cold = handlers.filter((handler) => !handler.hot);
  const builder = new ModuleBuilder();
  const coldType = builder.type([I32, I32, I32], [I32]);
  const runType = builder.type([I32, I32, I32, I32], [I32]);
  const check = builder.func(coldType);
  emitCheckCodeStore(check.body);
  builder.setTable(cold.map((handler) => coldFunction(builder, coldType, handler, check.index)));
  const run = builder.func(runType);
  builder.export('run', run.index);
  emitRun(run.body, hot, coldType, check.index);
  return builder.encode();
}

function emitRun(b: FunctionBody, hot: readonly Handler[], coldType: number, checkCodeStore: number): void {
  const op = 0;
  const budget = 1;
  const reason = b.local(I32);
  const again = b.local(I32);
  const target = b.local(I32);
  const eip = b.local(I32);
  const locals = new Locals(b, op, 2, 3, again, target, checkCodeStore);

  const exit = b.block();
  const loop = b.block(W.loop);
  const bail = b.block();
  const enter = b.block();
  const taken = b.block();
  const next = b.block();
  const pseudo = [b.block(), b.block(), b.block(), b.block()];
  const labels: Label[] = hot.map(() => b.block());
  const coldLabel = b.block();
  const spent = b.block();

  const advance = (): void => {
    b.get(op);
    b.i32(OP_SIZE);
    b.op(W.i32Add);
    b.set(op);
  };
  const pay = (): void => {
    b.get(budget);
    b.i32(1);
    b.op(W.i32Sub);
    b.set(budget);
  };
  const leave = (why: number): void => {
    b.i32(why);
    b.set(reason);
    b.br(exit);
  };
  /** EIP is that of the op: nothing of it has happened. */
  const storeEip = (push: () => void): void => {
    b.i32(0);
    push();
    b.access(W.i32Store, STATE_BASE + OFF.rip);
  };
  const leaveAtOp = (why: number): void => {
    storeEip(() => {
      b.get(op);
      b.access(W.i32Load, OP.eip);
    });
    leave(why);
  };

  b.get(budget);
  b.op(W.i32Eqz);
  b.brIf(spent);
  b.get(op);
  b.access(W.i32Load16u, OP.handler);
  // Labels in handler order; handlers without one of their own are functions.
  b.brTable([...pseudo, ...labels], coldLabel);
  b.end();
  leaveAtOp(EXIT.budget);

  b.end(); // coldLabel
  b.get(op);
  b.get(2);
  b.get(3);
  b.get(op);
  b.access(W.i32Load16u, OP.handler);
  b.i32(FIRST_HANDLER + hot.length);
  b.op(W.i32Sub);
  b.callIndirect(coldType);
  b.tee(again);
  b.op(W.i32Eqz);
  b.brIf(next);
  b.get(again);
  b.i32(BAIL);
  b.op(W.i32Eq);
  b.brIf(bail);
  pay();
  b.br(loop);

  for (const handler of [...hot].reverse()) {
    b.end();
    const ending = generateHandler(b, locals, handler, bail);
    if (ending.branch !== undefined) {
      ending.branch.push();
      b.brIf(taken);
      b.br(next);
    } else if (ending.jumps) {
      b.get(target);
      b.set(op);
      pay();
      b.br(loop);
    } else if (ending.repeats) {
      b.get(again);
      b.op(W.i32Eqz);
      b.brIf(next);
      pay();
      b.br(loop);
    } else b.br(next);
  }

  b.end(); // pseudo 3: chain
  b.br(enter);
  b.end(); // pseudo 2
  leaveAtOp(EXIT.breakpoint);
  b.end(); // pseudo 1
  leaveAtOp(EXIT.system);
  b.end(); // pseudo 0
  b.br(bail);

  b.end(); // next
  advance();
  pay();
  b.br(loop);

  b.end(); // taken: a direct branch of this op
  pay();
  b.end(); // enter: go to the op's target by link or jump cache
  b.get(op);
  b.access(W.i32Load, OP.link);
  b.tee(target);
  b.block(W.if);
  b.get(target);
  b.set(op);
  b.br(loop);
  b.end();
  b.get(op);
  b.access(W.i32Load, OP.immediate);
  b.set(eip);
  pushJumpCacheEntry(b, eip, target);
  b.block(W.if);
  b.get(target);
  b.access(W.i32Load, 8);
  b.set(op);
  b.br(loop);
  b.end();
  storeEip(() => b.get(eip));
  leave(EXIT.lookup);

  b.end(); // bail: the evaluator executes this instruction
  leaveAtOp(EXIT.evaluate);
  b.end(); // loop
  b.end(); // exit
  b.i32(0);
  b.get(op);
  b.access(W.i32Store, EXIT_OP);
  b.i32(0);
  b.get(budget);
  b.access(W.i32Store, EXIT_BUDGET);
  b.get(reason);
}

// The br_table above lists the pseudo-ops in this order.
const PSEUDO_ORDER: readonly number[] = [PSEUDO.evaluate, PSEUDO.system, PSEUDO.breakpoint, PSEUDO.chain];
if (PSEUDO_ORDER.some((number, i) => number !== i)) throw new Error('Pseudo-op numbers must be 0 to 3 in order.');
