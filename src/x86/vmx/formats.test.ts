/** VMX formats against the manual's tables. */
import { describe, expect, it } from 'vitest';
import { EPT_RWX, eptIndex, eptLeafEntry, eptMisconfiguration, eptPointer, eptTableEntry, readEptEntry } from './ept';
import { ExitReason, exitReasonName } from './exit-reasons';
import { describeInterruption, packInterruption, unpackInterruption } from './interruption';
import {
  describeQualification,
  packCrAccess,
  packDrAccess,
  packIoAccess,
  unpackCrAccess,
  unpackDrAccess,
  unpackIoAccess,
} from './qualification';

describe('exit qualifications', () => {
  it('control-register access: register 3:0, type 5:4, LMSW operand 6, register 11:8, source 31:16', () => {
    expect(packCrAccess({ register: 4, type: 1, gpr: 7 })).toBe(0x714);
    expect(unpackCrAccess(0x714)).toEqual({ register: 4, type: 1, gpr: 7, memory: false, source: 0 });
    expect(unpackCrAccess(0xfffe0070)).toMatchObject({ type: 3, memory: true, source: 0xfffe });
  });

  it('MOV DR and I/O', () => {
    expect(packDrAccess({ register: 6, direction: 'from', gpr: 2 })).toBe(0x216);
    expect(unpackDrAccess(0x216)).toEqual({ register: 6, direction: 'from', gpr: 2 });
    const io = { port: 0x3f8, size: 4, direction: 'in', string: true, rep: true, immediate: false } as const;
    expect(packIoAccess(io)).toBe(0x03f8003b);
    expect(unpackIoAccess(0x03f8003b)).toEqual(io);
  });

  it('are described, and unknown ones shown as numbers', () => {
    expect(describeQualification(ExitReason.io, 0x00800040)).toBe('out port 0x80, 1 byte');
    expect(describeQualification(ExitReason.cpuid, 0x12)).toBe('0x12');
  });
});

describe('interruption information', () => {
  it('packs vector, type, error-code flag and valid bit', () => {
    expect(packInterruption(14, 3, true)).toBe(0x80000b0e);
    expect(unpackInterruption(0x80000b0e)).toEqual({ vector: 14, type: 3, hasErrorCode: true });
    expect(unpackInterruption(0x0b0e)).toBeUndefined();
    expect(describeInterruption(0)).toBe('none');
    expect(describeInterruption(0x80000603)).toBe('software exception 3 (#BP)');
  });
});

describe('EPT entries', () => {
  it('index nine bits of the GPA per level', () => {
    expect([4, 3, 2, 1].map((level) => eptIndex(0x1_2345_6000, level))).toEqual([0, 4, 0x11a, 0x56]);
  });

  it('are made and read back', () => {
    expect(eptPointer(0x5000)).toBe(0x501en);
    expect(readEptEntry(eptTableEntry(0x7000))).toMatchObject({ readable: true, address: 0x7000, memoryType: 0 });
    expect(readEptEntry(eptLeafEntry(0x9000, EPT_RWX))).toMatchObject({
      executable: true,
      address: 0x9000,
      memoryType: 6,
    });
  });

  it('name the rule that a misconfigured entry breaks', () => {
    const broken = (entry: bigint, level: number): string | undefined =>
      eptMisconfiguration(readEptEntry(entry), level);
    expect(broken(eptLeafEntry(0x9000, EPT_RWX), 1)).toBeUndefined();
    expect(broken(eptTableEntry(0x9000), 4)).toBeUndefined();
    expect(broken(2n, 4)).toMatch(/must be readable/);
    expect(broken(4n, 1)).toMatch(/execute-only/);
    expect(broken(eptLeafEntry(0x9000, EPT_RWX), 3)).toMatch(/bits 7:3/);
    expect(broken(7n | (7n << 3n), 1)).toMatch(/memory type 7/);
    expect(broken(7n | (1n << 40n), 1)).toMatch(/above 35/);
    expect(broken(eptLeafEntry(0x9000, 7) | 0x80n, 2)).toMatch(/bits 20:12/);
  });
});

it('exit reasons have names; those that are never given have numbers', () => {
  expect(exitReasonName(48)).toBe('EPT violation');
  expect(exitReasonName(0x80000021)).toBe('VM-entry failure due to invalid guest state');
  expect(exitReasonName(63)).toBe('reason 63');
});
