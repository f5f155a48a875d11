/**
 * The 16550 UART (National Semiconductor PC16550D data sheet). Characters leave and arrive in no time: the transmitter is
 * always empty, and received bytes wait outside until the FIFO has room, so that nothing depends on a baud rate.
 */

export interface UartState {
  readonly ier: number;
  readonly fcr: number;
  readonly lcr: number;
  readonly mcr: number;
  readonly scr: number;
  readonly divisor: number;
  /** MSR delta bits not yet read. */
  readonly msrDelta: number;
  readonly overrun: boolean;
  /** The transmitter-empty interrupt is waiting to be identified. */
  readonly transmitterInterrupt: boolean;
  readonly received: readonly number[];
  /** Bytes that arrived from outside and found no room yet. */
  readonly waiting: readonly number[];
}

type Registers = Omit<UartState, 'waiting'>;

const RESET: Registers = {
  ier: 0,
  fcr: 0,
  lcr: 0,
  mcr: 0,
  scr: 0,
  // 9600 baud
  divisor: 12,
  msrDelta: 0,
  overrun: false,
  transmitterInterrupt: false,
  received: [],
};

const IER_RECEIVED = 1;
const IER_TRANSMITTER = 2;
const IER_LINE = 4;
const IER_MODEM = 8;
const LCR_DLAB = 0x80;
const MCR_DTR = 1;
const MCR_RTS = 2;
const MCR_OUT1 = 4;
const MCR_OUT2 = 8;
const MCR_LOOP = 0x10;
const FCR_ENABLE = 1;
const LSR_DATA = 1;
const LSR_OVERRUN = 2;
/** THR empty and transmitter empty. */
const LSR_IDLE = 0x60;
/** A null modem with somebody at the other end: CTS, DSR and DCD on. */
const MSR_CONNECTED = 0xb0;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;
const FIFO_SIZE = 16;

export class Uart {
  private s: { -readonly [K in keyof Registers]: Registers[K] } = { ...RESET };
  /** A queue of its own: a person may paste any amount. */
  private waiting: number[] = [];
  private lineHigh = false;

  /**
   * @param send takes each byte that leaves
   * @param setLine drives the interrupt line
   */
  constructor(
    private readonly send: (byte: number) => void,
    private readonly setLine: (high: boolean) => void,
  ) {}

  /** A byte from outside. */
  receive(byte: number): void {
    this.waiting.push(byte & 0xff);
    this.refill();
    this.update();
  }

  private get fifo(): boolean {
    return (this.s.fcr & FCR_ENABLE) !== 0;
  }

  private refill(): void {
    const s = this.s;
    const room = (this.fifo ? FIFO_SIZE : 1) - s.received.length;
    if (room <= 0 || this.waiting.length === 0 || (s.mcr & MCR_LOOP) !== 0) return;
    s.received = [...s.received, ...this.waiting.splice(0, room)];
  }

  /** @param register 0 to 7 */
  read(register: number): number {
    const value = this.readRegister(register);
    this.update();
    return value;
  }

  private readRegister(register: number): number {
    const s = this.s;
    const dlab = (s.lcr & LCR_DLAB) !== 0;
    switch (register) {
      case 0: {
        if (dlab) return s.divisor & 0xff;
        const [byte, ...rest] = s.received;
        s.received = rest;
        this.refill();
        return byte ?? 0;
      }
      case 1:
        return dlab ? s.divisor >> 8 : s.ier;
      case 2: {
        const identification = this.identification();
        if (identification === IIR_TRANSMITTER) s.transmitterInterrupt = false;
        return identification | (this.fifo ? 0xc0 : 0);
      }
      case 3:
        return s.lcr;
      case 4:
        return s.mcr;
      case 5: {
        const status = LSR_IDLE | (s.received.length > 0 ? LSR_DATA : 0) | (s.overrun ? LSR_OVERRUN : 0);
        s.overrun = false;
        return status;
      }
      case 6: {
        const status = this.modemStatus() | s.msrDelta;
        s.msrDelta = 0;
        return status;
      }
      default:
        return s.scr;
    }
  }

  write(register: number, value: number): void {
    this.writeRegister(register, value);
    this.update();
  }

  private writeRegister(register: number, value: number): void {
    const s = this.s;
    const dlab = (s.lcr & LCR_DLAB) !== 0;
    switch (register) {
      case 0:
        if (dlab) s.divisor = (s.divisor & 0xff00) | value;
        else this.transmit(value);
        break;
      case 1:
        if (dlab) s.divisor = (s.divisor & 0xff) | (value << 8);
        else {
          // Enabling the transmitter interrupt while the transmitter is empty raises it at once.
          if ((value & IER_TRANSMITTER) !== 0 && (s.ier & IER_TRANSMITTER) === 0) s.transmitterInterrupt = true;
          s.ier = value & 0xf;
        }
        break;
      case 2:
        if (((value ^ s.fcr) & FCR_ENABLE) !== 0 || (value & 2) !== 0) s.received = [];
        s.fcr = (value & FCR_ENABLE) !== 0 ? value & 0xc9 : 0;
        this.refill();
        break;
      case 3:
        s.lcr = value;
        break;
      case 4: {
        const before = this.modemStatus();
        s.mcr = value & 0x1f;
        s.msrDelta |= ((before ^ this.modemStatus()) >> 4) & 0xf;
        this.refill();
        break;
      }
      case 7:
        s.scr = value;
        break;
      default:
      // LSR and MSR are read only.
    }
  }

  private transmit(byte: number): void {
    const s = this.s;
    // The byte clears the interrupt and, being gone at once, raises it anew: an edge on the line.
    s.transmitterInterrupt = false;
    this.update();
    if ((s.mcr & MCR_LOOP) === 0) this.send(byte);
    else if (s.received.length < (this.fifo ? FIFO_SIZE : 1)) s.received = [...s.received, byte];
    else s.overrun = true;
    s.transmitterInterrupt = (s.ier & IER_TRANSMITTER) !== 0;
  }

  /** In loopback the four outputs are the four inputs. */
  private modemStatus(): number {
    const { mcr } = this.s;
    if ((mcr & MCR_LOOP) === 0) return MSR_CONNECTED;
    return (
      ((mcr & MCR_RTS) !== 0 ? 0x10 : 0) |
      ((mcr & MCR_DTR) !== 0 ? 0x20 : 0) |
      ((mcr & MCR_OUT1) !== 0 ? 0x40 : 0) |
      ((mcr & MCR_OUT2) !== 0 ? 0x80 : 0)
    );
  }

  /** IIR bits 3-0 of the most urgent cause. */
  private identification(): number {
    const s = this.s;
    const trigger = this.fifo ? (TRIGGER_LEVELS[s.fcr >> 6] ?? 1) : 1;
    if ((s.ier & IER_LINE) !== 0 && s.overrun) return IIR_LINE;
    if ((s.ier & IER_RECEIVED) !== 0 && s.received.length >= trigger) return IIR_RECEIVED;
    // Fewer than the trigger level: no more come "soon", which is the character time-out.
    if ((s.ier & IER_RECEIVED) !== 0 && s.received.length > 0) return IIR_TIMEOUT;
    if ((s.ier & IER_TRANSMITTER) !== 0 && s.transmitterInterrupt) return IIR_TRANSMITTER;
    if ((s.ier & IER_MODEM) !== 0 && s.msrDelta !== 0) return IIR_MODEM;
    return IIR_NONE;
  }

  private update(): void {
    // OUT2 connects the interrupt to the bus on a PC.
    const high = this.identification() !== IIR_NONE && (this.s.mcr & (MCR_OUT2 | MCR_LOOP)) === MCR_OUT2;
    if (high === this.lineHigh) return;
    this.lineHigh = high;
    this.setLine(high);
  }

  save(): UartState {
    return { ...this.s, waiting: [...this.waiting] };
  }

  /** The interrupt controller restores its own lines. */
  load(state: UartState): void {
    const { waiting, ...registers } = state;
    this.s = registers;
    this.waiting = [...waiting];
    this.lineHigh = this.identification() !== IIR_NONE && (this.s.mcr & (MCR_OUT2 | MCR_LOOP)) === MCR_OUT2;
  }
}

const IIR_MODEM = 0x0;
const IIR_NONE = 0x1;
const IIR_TRANSMITTER = 0x2;
const IIR_RECEIVED = 0x4;
const IIR_LINE = 0x6;
const IIR_TIMEOUT = 0xc;
