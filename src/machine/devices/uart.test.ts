import { describe, expect, it } from 'vitest';
import { Uart } from './uart';

class Bench {
  sent: number[] = [];
  line = false;
  rises = 0;
  readonly uart = new Uart(
    (byte) => this.sent.push(byte),
    (high) => {
      if (high && !this.line) this.rises++;
      this.line = high;
    },
  );
}

const DATA = 0;
const IER = 1;
const IIR = 2;
const FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;

describe('the 16550', () => {
  it('sends what is written and can always take more', () => {
    const b = new Bench();
    for (const byte of [72, 105]) {
      expect(b.uart.read(LSR) & 0x60).toBe(0x60);
      b.uart.write(DATA, byte);
    }
    expect(b.sent).toEqual([72, 105]);
  });

  it('shows the divisor instead of data while DLAB is set', () => {
    const b = new Bench();
    b.uart.write(LCR, 0x83);
    b.uart.write(DATA, 3);
    b.uart.write(IER, 1);
    expect([b.uart.read(DATA), b.uart.read(IER)]).toEqual([3, 1]);
    b.uart.write(LCR, 0x03);
    expect(b.uart.read(IER)).toBe(0);
    expect(b.sent).toEqual([]);
  });

  it('interrupts for received data through OUT2 until it has been read', () => {
    const b = new Bench();
    b.uart.write(IER, 1);
    b.uart.receive(65);
    expect(b.line).toBe(false);
    b.uart.write(MCR, 0x08);
    expect(b.line).toBe(true);
    expect(b.uart.read(IIR) & 0x0f).toBe(0x04);
    expect(b.uart.read(LSR) & 1).toBe(1);
    expect(b.uart.read(DATA)).toBe(65);
    expect(b.line).toBe(false);
    expect(b.uart.read(IIR) & 0x0f).toBe(0x01);
  });

  it('reports a time-out below the FIFO trigger and loses no byte beyond its sixteen', () => {
    const b = new Bench();
    b.uart.write(FCR, 0x81);
    b.uart.write(IER, 1);
    b.uart.receive(0);
    expect(b.uart.read(IIR)).toBe(0xcc);
    for (let i = 1; i < 20; i++) b.uart.receive(i);
    expect(b.uart.read(IIR)).toBe(0xc4);
    const read = Array.from({ length: 20 }, () => b.uart.read(DATA));
    expect(read).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(b.uart.read(LSR) & 3).toBe(0);
  });

  it('raises the transmitter interrupt when enabled and anew after each byte; reading IIR clears it', () => {
    const b = new Bench();
    b.uart.write(MCR, 0x08);
    b.uart.write(IER, 2);
    expect(b.line).toBe(true);
    expect(b.uart.read(IIR) & 0x0f).toBe(0x02);
    expect(b.line).toBe(false);
    b.uart.write(DATA, 1);
    expect(b.line).toBe(true);
    b.uart.write(DATA, 2);
    expect(b.rises).toBe(3);
  });

  it('loops back data and modem lines, and sends nothing', () => {
    const b = new Bench();
    b.uart.write(MCR, 0x1a);
    b.uart.write(DATA, 0xae);
    expect(b.uart.read(DATA)).toBe(0xae);
    expect(b.uart.read(MSR) & 0xf0).toBe(0x90);
    expect(b.sent).toEqual([]);
  });

  it('lets what does not fit wait outside, in order, and a save keeps it', () => {
    const b = new Bench();
    b.uart.write(2, 1);
    for (let byte = 0; byte < 40; byte++) b.uart.receive(byte);
    const save = b.uart.save();
    expect([save.received.length, save.waiting.length]).toEqual([16, 24]);
    const read = (bench: Bench): number[] => Array.from({ length: 40 }, () => bench.uart.read(DATA));
    const all = Array.from({ length: 40 }, (_, i) => i);
    expect(read(b)).toEqual(all);
    const copy = new Bench();
    copy.uart.load(save);
    expect(read(copy)).toEqual(all);
    expect(save.waiting).toHaveLength(24);
  });

  it('keeps the scratch register and goes on where it was saved', () => {
    const b = new Bench();
    b.uart.write(7, 0x5a);
    b.uart.receive(9);
    const copy = new Bench();
    copy.uart.load(b.uart.save());
    expect([copy.uart.read(7), copy.uart.read(DATA)]).toEqual([0x5a, 9]);
  });
});
