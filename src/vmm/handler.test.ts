import { describe, expect, it } from 'vitest';
import { call, type Handler, HandlerRunner, step } from './handler';

function* inner(n: number): Handler<number> {
  yield step('double it', { n });
  return n * 2;
}

function* outer(log: number[]): Handler {
  yield step('begin');
  log.push(yield* call('inner', inner(21)));
  yield step('end');
}

describe('the handler runner', () => {
  it('shows each step with the handler that it belongs to, and keeps the stack', () => {
    const log: number[] = [];
    const runner = new HandlerRunner();
    runner.start('outer', outer(log));
    expect(runner.next()).toEqual({ handler: 'outer', step: 'begin', values: {} });
    expect(runner.next()).toEqual({ handler: 'inner', step: 'double it', values: { n: 21 } });
    expect(runner.stack).toEqual(['outer', 'inner']);
    expect(runner.next()?.step).toBe('end');
    expect(log).toEqual([42]);
    expect(runner.next()).toBeUndefined();
    expect(runner.stack).toEqual([]);
  });

  it('does the same at full speed', () => {
    const log: number[] = [];
    const runner = new HandlerRunner();
    runner.start('outer', outer(log));
    runner.finish();
    expect(log).toEqual([42]);
    expect(HandlerRunner.run(inner(4))).toBe(8);
  });

  it('forgets all handlers when one throws', () => {
    const runner = new HandlerRunner();
    runner.start(
      'broken',
      (function* (): Handler {
        yield step('before');
        throw new Error('lost');
      })(),
    );
    runner.next();
    expect(() => runner.next()).toThrow('lost');
    expect(runner.stack).toEqual([]);
  });
});
