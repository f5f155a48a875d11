import { describe, expect, it } from 'vitest';
import { checkConfig, DEFAULT_CONFIG } from './config';

function problems(input: unknown): string {
  const checked = checkConfig(input);
  return 'problems' in checked ? checked.problems.join('\n') : 'accepted';
}

describe('the machine configuration', () => {
  it('takes defaults for all that is missing', () => {
    expect(checkConfig({})).toEqual({ config: DEFAULT_CONFIG });
  });

  it.each([
    ['native', 'none'],
    ['trap', 'shadow'],
    ['hw', 'shadow'],
    ['hw', 'nested'],
  ])('accepts %s with %s', (cpu, mmu) => {
    expect(problems({ cpu, mmu })).toBe('accepted');
  });

  it('chooses shadow tables for a VMM when nothing is said', () => {
    expect(checkConfig({ cpu: 'trap' })).toMatchObject({ config: { mmu: 'shadow' } });
  });

  it.each([
    [{ cpu: 'native', mmu: 'shadow' }, 'set "mmu" to "none"'],
    [{ cpu: 'trap', mmu: 'none' }, 'set "mmu" to "shadow"'],
    [{ cpu: 'trap', mmu: 'nested' }, 'part of VT-x'],
    [{ cpu: 'hw', profile: 'pentium' }, 'The feature flag vmx is off on the profile pentium'],
    [{ cpu: 'hw', features: { vmx: false } }, 'The feature flag vmx is off'],
    [{ cpu: 'hw', mmu: 'nested', profile: 'core2-2006' }, 'The feature flag ept is off'],
    [{ cpu: 'trap', profile: 'i386' }, 'The feature flag wp is off'],
    [{ cpu: 'bt' }, '"cpu": "bt" is not built yet'],
    [{ cpu: 'fast' }, '"cpu" is "fast"; it must be one of native, trap, hw'],
    [{ memoryMiB: 1 }, '"memoryMiB" is 1; it must be a whole number from 2 to 512'],
    [{ tlbEntries: 100 }, 'power of two'],
    [{ features: { warp: true } }, '"features.warp" is not known'],
    [{ costs: { vmExit: -1 } }, '"costs.vmExit" is -1'],
    [{ memory: 16 }, '"memory" is not a field'],
    [[], 'must be an object'],
    [null, 'must be an object'],
  ])('refuses %j and says what to do', (input, sentence) => {
    expect(problems(input)).toContain(sentence);
  });

  it('lets a flag be switched on against the profile', () => {
    expect(problems({ cpu: 'hw', profile: 'pentium', features: { vmx: true } })).toBe('accepted');
  });

  it('names every problem at once', () => {
    expect(problems({ seed: 'x', memoryMiB: 0 }).split('\n')).toHaveLength(2);
  });
});
