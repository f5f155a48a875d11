/**
 * A debug session without a protocol: a machine with a program in it, run control, breakpoints, stacks, expressions and
 * memory. The adapter, tests and tools drive it.
 */
import { Facts } from '../facts/facts';
import type { MachineConfig } from '../machine/config';
import type { HandlerStep } from '../machine/hypervisor-port';
import type { Machine } from '../machine/machine';
import { buildMachine } from '../vmm/build';
import { CS, SS } from '../x86/registers';
import { CpuState } from '../engine/state';
import { REGISTER_EDITS } from '../machine/register-edits';
import type { Address } from './addresses';
import { Breakpoints } from './breakpoints';
import { endText } from './event-text';
import { EventFilters } from './event-filters';
import type { Target } from './expressions';
import { gpaOf, readLinear } from './guest-memory';
import { Inspector } from './inspector';
import { PageTableHistory } from './page-rows';
import { loadProgram, type Program } from './program';
import { registerNamed } from './registers';
import { RunControl } from './run-control';
import type { SourceFiles } from './source-files';
import type { StackFrame } from './stack';
import { type Granularity, Stepping } from './stepping';
import type { Stop } from './stop';
import { TimeTravel } from './time-travel';
import { type DataBreakpoint, DataBreakpoints } from './watchpoints';

export interface LaunchOptions {
  readonly program: string;
  readonly machine: MachineConfig;
  readonly files: SourceFiles;
  /** Lets messages in between two slices; resolves in a later turn of the event loop. */
  yieldToHost(): Promise<void>;
  /** While stepping, hardware interrupts run to their end unseen. */
  readonly skipInterrupts?: boolean;
  /** The generated interpreter as it ships; made anew when absent. */
  readonly interpreter?: WebAssembly.Module;
}

/** Why a session could not start: sentences for a person, the most important first. */
export interface LaunchProblem {
  readonly problems: readonly string[];
}

/** Why an edit is refused, as a sentence. */
export class EditError extends Error {}

export class Session extends Inspector {
  readonly facts = new Facts();
  readonly filters = new EventFilters();
  readonly pageTables = new PageTableHistory();
  private readonly control: RunControl;
  private readonly stepping: Stepping;
  private readonly travel: TimeTravel;
  private readonly watched = new DataBreakpoints();
  private table: Breakpoints;
  private extraPlaces: ReadonlySet<number> = new Set();
  private ignoring = false;
  private serialSent = 0;
  private step: HandlerStep | undefined;
  private readonly serialListeners: ((text: string) => void)[] = [];
  private readonly messageListeners: ((line: string) => void)[] = [];

  private constructor(machine: Machine, program: Program, config: MachineConfig, options: LaunchOptions) {
    super(machine, program, config);
    this.facts.follow(machine.events);
    machine.register('facts', this.facts);
    this.table = new Breakpoints(program.codeMap);
    this.control = new RunControl({
      machine,
      breakpoints: () => this.table,
      filters: this.filters,
      scope: () => this.scopeOf(machine.guest()),
      gpa: (linear) => machine.guest().translate(linear)?.gpa,
      say: (line) => {
        for (const listener of this.messageListeners) listener(line);
      },
      watched: () => this.watched,
      yieldToHost: () => options.yieldToHost(),
      sliceEnded: () => this.sliceEnded(),
      ended: () => endText(machine, (address) => this.placeText(address)),
    });
    this.stepping = new Stepping({
      control: this.control,
      place: () => this.place(),
      count: () => machine.clock.instructions,
      recordAt: (address) => program.codeMap.recordAt(address, this.gpa(address)),
      readCode: (address, n) => this.readCode(address, n),
      read32: (address) => readLinear(machine.guest(), address, 4),
      watchPlaces: (places) => {
        this.extraPlaces = places;
        this.armBreakpoints();
      },
      skipInterrupts: options.skipInterrupts !== false,
    });
    this.travel = new TimeTravel({
      machine,
      control: this.control,
      momentKey: () => [...Object.values(this.place()), machine.position.step].join(' '),
      withoutCounting: (action) => this.table.withoutCounting(action),
    });
  }

  /** Assembles, loads and builds; the guest stands before its first instruction. */
  static async launch(options: LaunchOptions): Promise<Session | LaunchProblem> {
    const program = await loadProgram(options.program, options.files, options.machine.memoryMiB * 1024 * 1024);
    if ('problems' in program) return program;
    const machine = buildMachine(options.machine, program.image, { interpreter: options.interpreter });
    return new Session(machine, program, options.machine, options);
  }

  get warnings(): readonly string[] {
    return this.program.warnings;
  }

  override get running(): boolean {
    return this.control.running;
  }

  /** The last stop's exception filter, if that was its cause. */
  get exception(): RunControl['exception'] {
    return this.control.exception;
  }

  get threadName(): string {
    const { vm, state } = this.machine.guest();
    return `vm${vm} · vCPU 0 · ring ${state.cpl}`;
  }

  // Running

  continue(): Promise<Stop> {
    return this.go(async () => {
      const outcome = await this.control.run({});
      return outcome.kind === 'stop' ? outcome.stop : this.control.stepped();
    });
  }

  /** Inside a VMM handler every step goes to the handler's next one. */
  stepIn(granularity: Granularity): Promise<Stop> {
    return this.go(() => (this.machine.inHandler ? this.handlerStepNext() : this.stepping.stepIn(granularity)));
  }

  stepOver(granularity: Granularity): Promise<Stop> {
    return this.go(() => (this.machine.inHandler ? this.handlerStepNext() : this.stepping.stepOver(granularity)));
  }

  /** One guest instruction, stopping in the VMM if the instruction takes control there. */
  stepIntoVmm(): Promise<Stop> {
    return this.go(() => this.handlerStepNext());
  }

  private async handlerStepNext(): Promise<Stop> {
    const outcome = await this.control.run({ count: this.machine.clock.instructions + 1, handlerSteps: true });
    if (outcome.kind === 'stop') return outcome.stop;
    if (outcome.kind !== 'handlerStep') return this.control.stepped();
    this.step = outcome.step;
    return this.control.stepped(`Paused in the VMM, ${outcome.step.handler}: ${outcome.step.step}`);
  }

  /** The VMM handler's step at which the machine stands. */
  get handlerStep(): HandlerStep | undefined {
    return this.machine.inHandler ? this.step : undefined;
  }

  /** Runs the VMM's visit to its end. */
  finishHandler(): Promise<Stop> {
    return this.go(async () => {
      while (this.machine.inHandler) {
        const outcome = await this.control.run({ count: this.machine.clock.instructions, handlerSteps: true });
        if (outcome.kind === 'stop') return outcome.stop;
      }
      return this.control.stepped();
    });
  }

  /** The frame that the current one returns to, undefined when the stack tells none. */
  get caller(): StackFrame | undefined {
    return this.stack().find((frame, i) => i > 0 && frame.kind === 'code');
  }

  stepOut(caller: StackFrame): Promise<Stop> {
    return this.go(() => this.stepping.stepOut(caller));
  }

  stepBack(): Promise<Stop> {
    return this.go(() => this.travel.stepBack());
  }

  reverseContinue(): Promise<Stop> {
    return this.go(() => this.travel.reverseContinue());
  }

  pause(): void {
    this.control.pause();
  }

  /** Ends the session's run, if there is one; nothing runs afterwards. */
  halt(): Promise<void> {
    return this.control.halt();
  }

  private async go(action: () => Promise<Stop>): Promise<Stop> {
    this.pageTables.advance();
    this.forget();
    this.control.start();
    // Loads and edits of the debugger's own touch watched memory too; they are no hits.
    this.machine.memory.takeWatchHit();
    try {
      return await action();
    } finally {
      this.forget();
      this.control.finish();
    }
  }

  private sliceEnded(): void {
    const { uartOutput } = this.machine.guest().platform;
    // Going back and forth repeats output; only what is new goes out.
    if (uartOutput.count > this.serialSent) {
      const fresh = uartOutput.text.slice(this.serialSent - uartOutput.count);
      this.serialSent = uartOutput.count;
      for (const listener of this.serialListeners) listener(fresh);
    }
    this.travel.keepCheckpoint();
  }

  /** Text (latin-1) that the guest's serial port sends from now on. */
  onSerial(listener: (text: string) => void): void {
    this.serialListeners.push(listener);
  }

  /** What log points and failed conditions have to say, as it happens. */
  onMessage(listener: (line: string) => void): void {
    this.messageListeners.push(listener);
  }

  /** A person types into the serial port. */
  typeSerial(text: string): void {
    this.requireGuest();
    for (let i = 0; i < text.length; i++) this.machine.input({ kind: 'serial', byte: text.charCodeAt(i) & 0xff });
    this.travel.futureChanged();
    this.control.inputArrived();
  }

  // Breakpoints

  /** Changes breakpoints and arms them at once, also while the guest runs. */
  changeBreakpoints<T>(change: (table: Breakpoints) => T): T {
    const result = change(this.table);
    this.armBreakpoints();
    return result;
  }

  /** The client asked to run without debugging. */
  ignoreBreakpoints(): void {
    this.ignoring = true;
    this.filters.set([]);
    this.armBreakpoints();
  }

  /** A restarted session stops where the old one would have. */
  takeBreakpointsFrom(old: Session): void {
    this.table = old.table.rebound(this.program.codeMap);
    this.filters.takeFrom(old.filters);
    this.armBreakpoints();
    this.watched.takeFrom(old.watched, this.machine.guest());
    this.machine.processor.setWatchpoints(this.watched.pieces);
  }

  /** Replaces the data breakpoints; they bind to where their addresses lead now. */
  setDataBreakpoints(wanted: Parameters<DataBreakpoints['set']>[0]): readonly DataBreakpoint[] {
    const set = this.watched.set(wanted, this.machine.guest());
    this.machine.processor.setWatchpoints(this.ignoring ? [] : this.watched.pieces);
    return set;
  }

  private armBreakpoints(): void {
    const own = this.ignoring ? [] : this.table.addresses();
    this.machine.processor.setBreakpoints(new Set([...own, ...this.extraPlaces]));
  }

  private place(): { address: number; esp: number; cpl: number } {
    const { state } = this.machine.guest();
    const esp = (state.base(SS) + state.gpr(4)) >>> 0;
    return { address: (state.base(CS) + state.eip) >>> 0, esp, cpl: state.cpl };
  }

  // Edits

  /** Sets a register, a flag or memory, through the input log. */
  assign(target: Target, value: number): void {
    this.requireGuest();
    if (target.kind === 'register') this.setRegister(target.name, value >>> 0);
    else {
      const bytes = Uint8Array.from({ length: target.size }, (_, i) => (value >>> (8 * i)) & 0xff);
      this.write({ space: 'linear', address: target.address }, bytes);
    }
    this.edited();
  }

  /** Parts of registers and flags are set by setting the whole register that holds them. */
  private setRegister(name: string, value: number): void {
    const register = registerNamed(name);
    if (register?.write === undefined) throw new EditError(`${name} cannot be set: hidden state hangs on it.`);
    if (value >= 2 ** register.bits)
      throw new EditError(`${value} does not fit in ${name}, which has ${register.bits} bits.`);
    const after = CpuState.detached();
    after.copyFrom(this.view.state);
    register.write(after, value);
    for (const whole of REGISTER_EDITS.keys()) {
      const now = registerNamed(whole)?.read(after);
      if (now !== undefined && now !== registerNamed(whole)?.read(this.view.state)) {
        this.machine.input({ kind: 'register', register: whole, value: now });
      }
    }
  }

  /** Writes as many of the bytes as lie in mapped memory from the address on, through the input log; returns their number. */
  write(at: Address, bytes: Uint8Array): number {
    this.requireGuest();
    let done = 0;
    while (done < bytes.length) {
      const gpa = gpaOf(this.view, at, at.address + done);
      if (gpa === undefined || gpa >= this.view.gpaSize) break;
      const length = Math.min(bytes.length - done, 4096 - (gpa % 4096));
      this.machine.input({ kind: 'memory', gpa, bytes: bytes.slice(done, done + length) });
      done += length;
    }
    this.edited();
    return done;
  }

  private requireGuest(): void {
    if (!this.machine.inHandler) return;
    throw new EditError('The VMM stands inside a handler: step out of it before you change the guest.');
  }

  private edited(): void {
    this.forget();
    this.pageTables.refresh();
    this.serialSent = this.machine.guest().platform.uartOutput.count;
    this.travel.futureChanged();
  }
}
