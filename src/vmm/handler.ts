/**
 * VMM handlers: generator functions that yield their named steps, and the runner that owns their stack, so that a handler
 * runs to its end at full speed or one step at a time in the debugger, with the same result.
 *
 * A handler keeps nothing between two calls but registered state, and uses no async, clock or outer closure. Sub-handlers
 * go through `yield* call(name, handler(...))`: the runner then holds one frame per handler, innermost last.
 */
import type { HandlerStep } from '../machine/hypervisor-port';

/** What a step shows in the Variables pane. Addresses are numbers (unsigned). */
export type StepValues = Readonly<Record<string, number | string>>;

interface Step {
  readonly step: string;
  readonly values: StepValues;
}

interface Call {
  readonly name: string;
  readonly handler: Handler<unknown>;
}

/** A handler that returns T. What it yields is for the runner only: use {@link step} and {@link call}. */
export type Handler<T = void> = Generator<Step | Call, T, unknown>;

/** A named step, always written `yield step('literal name', {...})`: the build finds the source line by the literal. */
export function step(name: string, values: StepValues = {}): Step {
  return { step: name, values };
}

/**
 * Runs a sub-handler in a frame of its own and returns its result: `const verdict = yield* call('walk', walk(gva))`.
 * @param name the sub-handler's name as the VMM's stack shows it
 */
export function* call<T>(name: string, handler: Handler<T>): Handler<T> {
  // The runner sends back what the callee returned, which is a T.
  return (yield { name, handler: handler as Handler<unknown> }) as T;
}

interface Frame {
  readonly name: string;
  readonly handler: Handler<unknown>;
}

/** Runs one root handler at a time. */
export class HandlerRunner {
  private readonly frames: Frame[] = [];
  private result: unknown;

  /** Names of the active handlers, outermost first; empty when none runs. */
  get stack(): readonly string[] {
    return this.frames.map((frame) => frame.name);
  }

  /** Begins a root handler. Throws when one is active: entries of the VMM do not nest. */
  start(name: string, handler: Handler<unknown>): void {
    if (this.frames.length > 0) throw new Error(`VMM handler "${name}" started inside "${this.frames[0]?.name}".`);
    this.frames.push({ name, handler });
    this.result = undefined;
  }

  /** Runs to the next named step; undefined when the root handler has returned. An exception in a handler ends all of them. */
  next(): HandlerStep | undefined {
    for (;;) {
      const frame = this.frames[this.frames.length - 1];
      if (frame === undefined) return undefined;
      let yielded: IteratorResult<Step | Call, unknown>;
      try {
        yielded = frame.handler.next(this.result);
      } catch (error) {
        this.frames.length = 0;
        throw error;
      }
      this.result = undefined;
      if (yielded.done === true) {
        this.result = yielded.value;
        this.frames.pop();
      } else if ('step' in yielded.value) {
        return { handler: frame.name, step: yielded.value.step, values: yielded.value.values };
      } else {
        this.frames.push(yielded.value);
      }
    }
  }

  /** Forgets the active handlers where they stand; for a load, which replaces all state that they acted on. */
  abandon(): void {
    this.frames.length = 0;
    this.result = undefined;
  }

  /** Runs the active handlers to their end. */
  finish(): void {
    while (this.next() !== undefined);
  }

  /** Runs one handler alone to its end and returns its result; for callers outside any VMM entry (users' edits, tests). */
  static run<T>(handler: Handler<T>): T {
    const runner = new HandlerRunner();
    let result: T | undefined;
    runner.start(
      'run',
      (function* (): Handler {
        result = yield* handler;
      })(),
    );
    runner.finish();
    return result as T; // assigned: finish() returns only after the handler has
  }
}
