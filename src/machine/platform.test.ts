import { describe, expect, it } from 'vitest';
import { DeviceOutput } from './event-kinds';
import { Platform } from './platform';

class Bench {
  now = 0;
  outputs: [number, number][] = [];
  exits: number[] = [];
  readonly platform = new Platform({
    now: () => this.now,
    output: (device, value) => this.outputs.push([device, value]),
    requested: () => {},
    exit: (value) => this.exits.push(value),
  });
}

describe('the platform', () => {
  it('reads all ones where no device is, in every width', () => {
    const { platform } = new Bench();
    expect([platform.read(0x1234, 1), platform.read(0x1234, 2), platform.read(0x1234, 4)]).toEqual([
      0xff, 0xffff, 0xffffffff,
    ]);
  });

  it('splits a wide access into one per byte', () => {
    const { platform } = new Bench();
    platform.write(0x3fb, 1, 0x80);
    platform.write(0x3f8, 2, 0x0203);
    expect(platform.read(0x3f8, 2)).toBe(0x0203);
  });

  it('keeps what the serial port and the debug console say', () => {
    const b = new Bench();
    for (const c of 'ok') b.platform.write(0x3f8, 1, c.charCodeAt(0));
    b.platform.write(0xe9, 1, 33);
    expect(b.platform.uartOutput.text).toBe('ok');
    expect(b.platform.consoleOutput.text).toBe('!');
    expect(b.outputs).toEqual([
      [DeviceOutput.uart, 111],
      [DeviceOutput.uart, 107],
      [DeviceOutput.debugConsole, 33],
    ]);
  });

  it('ends the machine through the debug-exit port', () => {
    const b = new Bench();
    b.platform.write(0xf4, 1, 3);
    expect(b.exits).toEqual([3]);
  });

  it('brings a timer edge to the processor as vector base + 0', () => {
    const b = new Bench();
    for (const [port, value] of [
      [0x20, 0x11],
      [0x21, 0x20],
      [0x21, 4],
      [0x21, 1],
      [0x21, 0],
      [0x43, 0x34],
      [0x40, 2],
      [0x40, 0],
    ] as const) {
      b.platform.write(port, 1, value);
    }
    expect(b.platform.nextDeadline()).toBe(16);
    b.now = 16;
    b.platform.advance(16);
    expect(b.platform.interrupts.pending()).toBe(true);
    expect(b.platform.interrupts.acknowledge()).toBe(0x20);
  });
});
