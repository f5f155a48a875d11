import { describe, expect, it } from 'vitest';
import { readLaunchArguments } from './launch-arguments';

const problems = (input: unknown): string => {
  const read = readLaunchArguments(input);
  return 'problems' in read ? read.problems.join('\n') : '';
};

describe('launch arguments', () => {
  it('take their defaults, and leave what belongs to the client', () => {
    const read = readLaunchArguments({
      type: 'ringside',
      name: 'x',
      request: 'launch',
      __sessionId: '1',
      program: '/k.asm',
    });
    expect(read).toMatchObject({
      program: '/k.asm',
      stopOnEntry: true,
      noDebug: false,
      serial: 'output',
      skipInterrupts: true,
      machine: { cpu: 'native', mmu: 'none', memoryMiB: 16 },
    });
  });

  it('name each field that is wrong', () => {
    const found = problems({ program: '', stopOnEntry: 'yes', serial: 'socket', cpu: 'bt', speed: 9 });
    expect(found).toMatch(/names no "program"/);
    expect(found).toMatch(/"stopOnEntry" is "yes"; it must be true or false/);
    expect(found).toMatch(/"serial" is "socket"; it must be "output" or "terminal"/);
    expect(found).toMatch(/"cpu": "bt" is not built yet/);
    expect(found).toMatch(/"speed" is not known in a launch configuration; the fields are program, /);
  });

  it('refuse what is no object', () => {
    expect(problems(undefined)).toMatch(/no arguments/);
    expect(problems(5)).toMatch(/no arguments/);
  });
});
