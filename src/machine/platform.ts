/**
 * The devices of a small PC behind its I/O ports: two 8259A, an 8254, a 16550 and two debug ports. The same class is the
 * bare machine's platform and, on a VM's own guest time, the virtual platform of each VM.
 */
import { DEBUG_CONSOLE_PORT, DebugConsole } from './devices/debug-console';
import { DEBUG_EXIT_PORT, DebugExit } from './devices/debug-exit';
import { OutputLog, type OutputLogState } from './devices/output-log';
import { Pic, type PicState } from './devices/pic';
import { Pit, type PitState, SYSTEM_CONTROL_PORT } from './devices/pit';
import { Uart, type UartState } from './devices/uart';
import { DeviceOutput } from './event-kinds';
import type { InterruptSource } from './processor/context';

export interface PlatformState {
  readonly version: 1;
  readonly pic: PicState;
  readonly pit: PitState;
  readonly uart: UartState;
  readonly uartOutput: OutputLogState;
  readonly consoleOutput: OutputLogState;
}

/** What a platform tells its surroundings. */
export interface PlatformHost {
  /** Guest time of the machine or VM that owns the platform. */
  readonly now: () => number;
  /** A byte left a device (a `DeviceOutput` number); emits `output`. */
  output(device: number, value: number): void;
  /** A device's interrupt request was latched; emits `irq`. Who takes the interrupt emits the acknowledge. */
  requested(vector: number): void;
  /** The guest wrote the debug-exit port; it must not run on. */
  exit(value: number): void;
}

interface PortDevice {
  read(port: number): number;
  write(port: number, value: number): void;
}

const TIMER_LINE = 0;
const COM1_LINE = 4;
const COM1 = 0x3f8;

export class Platform {
  private readonly pic: Pic;
  private readonly pit: Pit;
  private readonly uart: Uart;
  private readonly ports = new Map<number, PortDevice>();
  readonly uartOutput = new OutputLog();
  readonly consoleOutput = new OutputLog();
  /** The PICs' output to the processor. */
  readonly interrupts: InterruptSource;

  constructor(host: PlatformHost) {
    const pic = new Pic((vector) => host.requested(vector));
    this.pic = pic;
    this.interrupts = pic;
    this.pit = new Pit(host.now, () => {
      // Mode 2's output is low for one tick before each edge, so that every period is a new edge.
      pic.setLine(TIMER_LINE, false);
      pic.setLine(TIMER_LINE, true);
    });
    this.uart = new Uart(
      (byte) => {
        this.uartOutput.add(byte);
        host.output(DeviceOutput.uart, byte);
      },
      (high) => pic.setLine(COM1_LINE, high),
    );
    const exit = new DebugExit((value) => {
      host.output(DeviceOutput.debugExit, value);
      host.exit(value);
    });
    const console = new DebugConsole((byte) => {
      this.consoleOutput.add(byte);
      host.output(DeviceOutput.debugConsole, byte);
    });
    this.claim([0x20, 0x21, 0xa0, 0xa1], pic);
    this.claim([0x40, 0x41, 0x42, 0x43, SYSTEM_CONTROL_PORT], this.pit);
    this.claim(
      [0, 1, 2, 3, 4, 5, 6, 7].map((r) => COM1 + r),
      {
        read: (port) => this.uart.read(port - COM1),
        write: (port, value) => this.uart.write(port - COM1, value),
      },
    );
    this.claim([DEBUG_EXIT_PORT], { read: () => exit.read(), write: (_, value) => exit.write(value) });
    this.claim([DEBUG_CONSOLE_PORT], { read: () => console.read(), write: (_, value) => console.write(value) });
  }

  private claim(ports: readonly number[], device: PortDevice): void {
    for (const port of ports) this.ports.set(port, device);
  }

  /**
   * Port input of 1, 2 or 4 bytes; the devices are 8 bits wide, so a wider access is one per byte, lowest port first.
   * Unclaimed ports read all ones. Unsigned.
   */
  read(port: number, size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++) {
      const at = (port + i) & 0xffff;
      value += (this.ports.get(at)?.read(at) ?? 0xff) * 2 ** (8 * i);
    }
    return value;
  }

  write(port: number, size: number, value: number): void {
    for (let i = 0; i < size; i++) {
      const at = (port + i) & 0xffff;
      this.ports.get(at)?.write(at, (value >>> (8 * i)) & 0xff);
    }
  }

  /** A byte arrives at the serial port from outside. */
  receiveSerial(byte: number): void {
    this.uart.receive(byte);
  }

  /** Pulses an interrupt line (0 to 15) as a user asks. */
  pulseLine(line: number): void {
    this.pic.setLine(line, false);
    this.pic.setLine(line, true);
  }

  /** Guest time at which a device changes an interrupt line by itself; undefined when none will. */
  nextDeadline(): number | undefined {
    return this.pit.nextDeadline();
  }

  /** Lets devices act up to `now`, which must not lie before an earlier call's. */
  advance(now: number): void {
    this.pit.advance(now);
  }

  save(): PlatformState {
    return {
      version: 1,
      pic: this.pic.save(),
      pit: this.pit.save(),
      uart: this.uart.save(),
      uartOutput: this.uartOutput.save(),
      consoleOutput: this.consoleOutput.save(),
    };
  }

  load(state: PlatformState): void {
    this.pic.load(state.pic);
    this.pit.load(state.pit);
    this.uart.load(state.uart);
    this.uartOutput.load(state.uartOutput);
    this.consoleOutput.load(state.consoleOutput);
  }
}
