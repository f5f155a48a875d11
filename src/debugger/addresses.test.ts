import { describe, expect, it } from 'vitest';
import { formatAddress, parseAddress } from './addresses';

describe('the address grammar', () => {
  it.each(['0x401000', 'vm0/gpa/0x1000', 'vm0/gva@cr3=0x5000/0x401000', 'host/hpa/0x200000'])(
    'reads and writes %s',
    (text) => {
      const address = parseAddress(text);
      expect('problem' in address ? address.problem : formatAddress(address)).toBe(text);
    },
  );

  it('takes decimal for a linear address', () => {
    expect(parseAddress('4096')).toEqual({ space: 'linear', address: 0x1000 });
  });

  it.each(['', 'eax', 'vm0/gpa/', 'gpa/0x1000', '0x1_0000'])('refuses %j with the forms that it knows', (text) => {
    expect(parseAddress(text)).toHaveProperty('problem', expect.stringContaining('vm0/gpa/0x1000'));
  });

  it('refuses what lies above 32 bits', () => {
    expect(parseAddress('9999999999')).toHaveProperty('problem', expect.stringContaining('above 0xffffffff'));
  });
});
