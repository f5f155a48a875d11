import { describe, expect, it } from 'vitest';
import { BenchMachine } from './bench-machine.test-support';
import { HostMemory } from './memory';

describe('host memory', () => {
  it('reads ones and drops writes outside RAM', () => {
    const memory = new HostMemory(0x2000);
    expect([memory.read8(0x2000), memory.read16(0x2000), memory.read32(0xfffffffc)]).toEqual([
      0xff, 0xffff, 0xffffffff,
    ]);
    memory.write32(0x1ffe, 0x44332211);
    expect([memory.read32(0x1ffe), memory.read64(0x1ffe)]).toEqual([0xffff2211, 0xffffffffffff2211n]);
    memory.writeBytes(0x1fff, Uint8Array.of(7, 8, 9));
    expect([...memory.readBytes(0x1ffe, 4)]).toEqual([0x11, 7, 0xff, 0xff]);
  });

  it('shares unchanged pages between saves, and leaves zero pages out', () => {
    const memory = new HostMemory(0x4000);
    memory.write8(0x1000, 1);
    const first = memory.save();
    memory.write8(0x2fff, 2);
    const second = memory.save(first);
    expect(second.pages.map((page) => page !== undefined)).toEqual([false, true, true, false]);
    expect(second.pages[1]).toBe(first.pages[1]);
    memory.write8(0x1000, 9);
    memory.load(first);
    expect([memory.read8(0x1000), memory.read8(0x2fff)]).toEqual([1, 0]);
    // Not the latest save any more, but still shared by content.
    const third = memory.save(second);
    expect(third.pages[1]).toBe(second.pages[1]);
    expect(third.pages[2]).toBeUndefined();
  });

  it('refuses a save of another size with a sentence', () => {
    expect(() => new HostMemory(0x2000).load(new HostMemory(0x1000).save())).toThrow(
      /4096 bytes and this machine 8192/,
    );
  });

  it('reports the pages that guest stores have made dirty since the epoch began', () => {
    const m = new BenchMachine();
    // mov [edi], eax / add edi, 0x1000 / loop
    m.place(0x1000, [0x89, 0x07, 0x81, 0xc7, 0, 0x10, 0, 0, 0xe2, 0xf6, 0xf4]);
    const run = (): void => {
      m.state.eip = 0x1000;
      m.state.setGpr(7, 0x8000);
      m.state.setGpr(1, 3);
      m.engine.run(100);
    };
    run();
    m.memory.beginEpoch();
    run();
    expect(m.memory.beginEpoch()).toEqual([8, 9, 10]);
    expect(m.memory.beginEpoch()).toEqual([]);
  });
});
