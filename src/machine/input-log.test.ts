import { describe, expect, it } from 'vitest';
import { type InputEntry, InputLog } from './input-log';

const entry = (byte: number): InputEntry => ({
  at: { count: byte, idle: 0, turns: 0 },
  data: { kind: 'serial', byte },
});

describe('the input log', () => {
  it('hands out saves that later entries do not reach', () => {
    const log = new InputLog();
    log.add(entry(1));
    log.advance();
    const one = log.save();
    log.add(entry(2));
    const two = log.save();
    log.rewind(1);
    log.add(entry(3));
    expect([one, two, log.save()].map((save) => save.entries.map((e) => e.at.count))).toEqual([[1], [1, 2], [1, 3]]);
  });

  it('drops what lies ahead when something new comes, and not what a loaded save holds', () => {
    const log = new InputLog();
    for (const byte of [1, 2, 3]) {
      log.add(entry(byte));
      log.advance();
    }
    const save = log.save();
    const other = new InputLog();
    other.load(save);
    other.rewind(1);
    expect(other.ahead).toBe(2);
    other.add(entry(9));
    expect(other.next).toEqual(entry(9));
    expect(other.all).toHaveLength(2);
    expect(log.all).toHaveLength(3);
  });
});
