import { describe, expect, it } from 'vitest';
import { count, groupAddresses, hex, ring, share, shortLocation } from './format';

describe('numbers in views', () => {
  it('are hexadecimal in groups of four, at least eight digits', () => {
    expect(hex(0x401000)).toBe('0x0040_1000');
    expect(hex(0xffff_ffff)).toBe('0xffff_ffff');
    expect(hex(0x20, 4)).toBe('0x0020');
  });

  it('are regrouped in texts of the adapter, short ones left as they are', () => {
    expect(groupAddresses('hpa 0x00401000 P W, port 0x3f8')).toBe('hpa 0x0040_1000 P W, port 0x3f8');
    expect(groupAddresses('CR3 gpa 0x203000')).toBe('CR3 gpa 0x0020_3000');
  });

  it('are counts with thin separators, and shares with a decimal below ten per cent', () => {
    expect(count(1204512)).toBe('1\u202f204\u202f512');
    expect(share(0.034)).toBe('3.4 %');
    expect(share(0.34)).toBe('34 %');
    expect(share(0)).toBe('0 %');
  });

  it('name the ring with its owner, and a place by file and line on every platform', () => {
    expect(ring(3)).toBe('U 3');
    expect(ring(0)).toBe('K 0');
    expect(shortLocation({ path: '/a/kernel.asm', line: 7 })).toBe('kernel.asm:7');
    expect(shortLocation({ path: 'C:\\g\\kernel.asm', line: 7 })).toBe('kernel.asm:7');
  });
});
