import { describe, expect, it } from 'vitest';
import { FrameOwner, HostFrames, OutOfFrames, vmOwner } from './frames';

describe('host frames', () => {
  it('have exactly one owner each', () => {
    const frames = new HostFrames(16 * 4096);
    const a = frames.allocate(FrameOwner.vmm);
    const b = frames.allocate(vmOwner(0), 4);
    expect([a, b]).toEqual([0, 0x1000]);
    expect([frames.count(FrameOwner.vmm), frames.count(vmOwner(0)), frames.count(FrameOwner.free)]).toEqual([1, 4, 11]);
    expect(frames.ownerOf(0x2fff)).toBe(vmOwner(0));
  });

  it('are given out again, lowest first, as runs that fit', () => {
    const frames = new HostFrames(8 * 4096);
    frames.allocate(FrameOwner.vmm, 4);
    frames.free(0x1000);
    expect(frames.allocate(FrameOwner.vmm, 2)).toBe(0x4000);
    expect(frames.allocate(FrameOwner.vmm)).toBe(0x1000);
    expect(frames.allocate(FrameOwner.vmm, 1, 2)).toBe(0x6000);
  });

  it('run out with a sentence, and are not freed twice', () => {
    const frames = new HostFrames(2 * 4096);
    frames.allocate(FrameOwner.vmm);
    expect(() => frames.allocate(FrameOwner.vmm, 2)).toThrow(OutOfFrames);
    expect(() => frames.free(0x1000)).toThrow('freed twice');
  });

  it('survive save and load', () => {
    const frames = new HostFrames(4 * 4096);
    frames.allocate(FrameOwner.vmm, 2);
    const other = new HostFrames(4 * 4096);
    other.load(frames.save());
    expect(other.allocate(FrameOwner.vmm)).toBe(0x2000);
  });
});
