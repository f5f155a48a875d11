/**
 * The physical computer: processor, memory, devices, clock, event stream and input log, and the run loop that lets them
 * act at their exact instruction. A hypervisor may be plugged in; then it owns the processor's host side.
 *
 * Nothing that a user watches changes the run: a run that is split by limits, breakpoints or saves emits the same events
 * and ends in the same state as one that is not.
 */
import { HostMemory, type MemorySave } from '../engine/memory';
import type { CpuState } from '../engine/state';
import { FLAG_IF } from '../x86/flags';
import { cpuProfile } from '../x86/profiles';
import { Clock, CycleLedger } from './clock';
import type { MachineConfig } from './config';
import { costsOf } from './costs';
import { eventKindNumber, IrqOp, StopCause } from './event-kinds';
import { EventPlace } from './event-place';
import { EventStream, EW } from './events';
import type { GuestView } from './guest-view';
import { HostTimer } from './host-timer';
import type { GuestPlace, HandlerStep, HypervisorPort } from './hypervisor-port';
import { applyInput, inputProblem } from './input-effects';
import { comparePlaces, type InputData, InputLog, type InputPlace } from './input-log';
import { type MachineStop, type RunLimits, STALLED_TURNS, stalled } from './machine-stop';
import { NativeView } from './native-view';
import { Platform } from './platform';
import { Processor, type ProcessorStop } from './processor/processor';
import type { MachineSave, StoppedState } from './save';
import { hashValue, StateHasher } from './state-hash';

export interface MachineParts {
  readonly config: MachineConfig;
  /** Host RAM in bytes: the guest's memory, and a VMM's own where there is one. */
  readonly hostBytes: number;
  /** The interpreter, as the build has generated it; the engine makes its own when absent. */
  readonly interpreter?: WebAssembly.Module;
}

/** A component with state of its own that is saved and loaded with the machine. */
export interface Component {
  /** Plain data. */
  save(): unknown;
  load(state: unknown): void;
}

/** Most instructions in one call of the processor, so that a run of any length is made of bounded pieces. */
const SLICE = 1 << 24;
/** Timer deadlines in a row that may pass while the guest is halted: then they do not wake it. */
const IDLE_DEADLINES = 1000;

export class Machine {
  readonly config: MachineConfig;
  readonly memory: HostMemory;
  readonly processor: Processor;
  /** The bare machine's devices; a VM has its own. */
  readonly platform: Platform;
  readonly hostTimer: HostTimer;
  readonly events: EventStream;
  readonly clock = new Clock();
  readonly ledger: CycleLedger;
  readonly inputs = new InputLog();
  private readonly place: EventPlace;
  private readonly native: NativeView;
  private readonly components = new Map<string, Component>();
  private hypervisor: HypervisorPort | undefined;
  /** The VMM's visit in progress: only between two handler steps. */
  private visit: Generator<HandlerStep, void> | undefined;
  /** The VMM is to be entered before the guest runs on. */
  private visitDue = false;
  private turns = 0;
  private emulatedCount = 0;
  private ended: StoppedState | undefined;
  private lastMemory: MemorySave | undefined;
  private stopAsked = false;

  constructor(parts: MachineParts) {
    const { config } = parts;
    this.config = config;
    this.memory = new HostMemory(parts.hostBytes);
    this.ledger = new CycleLedger(costsOf(config.costPreset, config.costs), config.cpu, this.clock);
    this.place = new EventPlace(this.clock, this.ledger, () => this.guestPlace());
    this.events = new EventStream(this.place);
    this.ledger.follow(this.events);
    this.countTurns();
    this.hostTimer = new HostTimer();
    this.platform = new Platform({
      now: () => this.clock.now,
      output: (device, value) => this.events.emit('output', device, value),
      requested: (vector) => this.events.emit('irq', IrqOp.raise, vector),
      exit: (value) => this.stop(StopCause.debugExit, value),
    });
    this.processor = new Processor({
      memory: this.memory,
      tlbEntries: config.tlbEntries,
      profile: cpuProfile(config.profile, config.features),
      events: this.events,
      clock: this.clock,
      ports: {
        read: (port, size) => this.platform.read(port, size),
        write: (port, size, value) => {
          const before = this.platform.nextDeadline();
          this.platform.write(port, size, value);
          // The slice under way was cut for the old deadline.
          if (this.platform.nextDeadline() !== before) this.processor.requestStop();
        },
      },
      interrupts: this.platform.interrupts,
      interpreter: parts.interpreter,
    });
    this.native = new NativeView(this.processor.state, this.platform, this.memory, this.clock);
  }

  private guestPlace(): GuestPlace {
    if (this.hypervisor?.place !== undefined) return this.hypervisor.place();
    const { state, vm } = this.guest();
    return { vm, vcpu: 0, cpl: state.cpl, ip: state.eip };
  }

  private countTurns(): void {
    const kinds = [eventKindNumber('deliver'), eventKindNumber('exit')];
    this.events.onEvent((words, offset) => {
      if (kinds.includes((words[offset + EW.head] ?? 0) & 0xff)) this.turns++;
    });
  }

  // Building.

  /** Plugs a hypervisor in; it is entered at the next run. */
  attach(hypervisor: HypervisorPort): void {
    if (this.hypervisor !== undefined) throw new Error('The machine has a hypervisor already.');
    this.hypervisor = hypervisor;
    this.processor.hypervisorAttached = true;
    // From now on the VMM's own timer interrupts the processor; the devices of guests are the VMM's.
    this.processor.interrupts = this.hostTimer;
    this.visitDue = true;
  }

  /** Registers a component to be saved and loaded with the machine, under a name of its own. */
  register(name: string, component: Component): void {
    this.components.set(name, component);
  }

  // What the VMM and the devices ask.

  /** Counts guest instructions that the VMM has completed for the guest. */
  retireEmulated(n = 1): void {
    this.clock.retire(n);
    this.ledger.emulated(n);
    this.emulatedCount += n;
  }

  /** Lets halted time pass. */
  idle(ticks: number): void {
    this.clock.passIdle(ticks);
  }

  /** Ends the guest for good: emits `stop`; the run returns before another guest instruction. */
  stop(cause: number, value: number, message?: string): void {
    if (this.ended !== undefined) return;
    this.ended = message === undefined ? { cause, value } : { cause, value, message };
    this.events.emit('stop', cause, value);
    this.processor.requestStop();
  }

  // What observers ask.

  /** Ends the run under way at the next boundary at which the guest stands by itself; for observers of events. */
  requestStop(): void {
    this.stopAsked = true;
    this.processor.requestStop();
  }

  guest(): GuestView {
    return this.hypervisor?.guest() ?? this.native;
  }

  /** Instructions that the VMM completed for the guest. */
  get emulated(): number {
    return this.emulatedCount;
  }

  /** Why the guest has ended; undefined while it may run. */
  get stopped(): StoppedState | undefined {
    return this.ended;
  }

  /** True while the VMM stands between two steps of a handler. */
  get inHandler(): boolean {
    return this.visit !== undefined;
  }

  /** Where the machine stands. */
  get position(): { readonly count: number; readonly step: number } {
    return { count: this.clock.instructions, step: this.place.step };
  }

  // Running.

  /** Runs until something ends the run; with no limits until the guest ends, waits, or meets a breakpoint. */
  run(limits: RunLimits = {}): MachineStop {
    this.stopAsked = false;
    const limit = limits.count ?? Number.POSITIVE_INFINITY;
    const from = { count: this.clock.instructions, eip: this.guest().state.eip };
    let idleDeadlines = 0;
    let progress = { count: from.count, turns: this.turns };
    for (;;) {
      if (this.clock.instructions !== progress.count) {
        progress = { count: this.clock.instructions, turns: this.turns };
        idleDeadlines = 0;
      }
      if (this.turns - progress.turns > STALLED_TURNS) return stalled(this.guest().state);
      if (this.visitDue || this.visit !== undefined) {
        const stop = this.advanceVisit(limits.stepHandler === true);
        if (stop !== undefined) return stop;
        continue;
      }
      if (this.ended !== undefined) return { reason: 'stopped', ...this.ended };
      this.advanceTimers();
      this.applyInputs();
      if (this.stopAsked) return { reason: 'requested' };
      if (this.clock.instructions >= limit) return { reason: 'count' };

      const stop = this.runProcessor(limit);
      switch (stop.reason) {
        case 'halted': {
          if (this.passIdle() && idleDeadlines++ < IDLE_DEADLINES) break;
          if (this.ended === undefined) return { reason: 'waiting' };
          break;
        }
        case 'breakpoint': {
          const { eip } = this.guest().state;
          // The instruction from which the run set out, met again after a fault that the VMM hid.
          const again = limits.resumed !== true && this.clock.instructions === from.count && eip === from.eip;
          if (!again) return { reason: 'breakpoint', linear: stop.address ?? eip };
          this.processor.skipBreakpointOnce();
          break;
        }
        case 'watchpoint':
          return { reason: 'watchpoint', hpa: stop.address ?? 0 };
        case 'hypervisor':
          this.visitDue = true;
          break;
        case 'tripleFault':
          this.stop(StopCause.tripleFault, 0);
          break;
        case 'unsupported':
          this.stop(StopCause.unsupported, this.processor.state.eip, stop.problem);
          break;
        default:
      }
    }
  }

  private runProcessor(limit: number): ProcessorStop {
    const { instructions } = this.clock;
    const deadline = this.nextDeadline();
    const next = this.inputs.next;
    let budget = Math.min(limit - instructions, SLICE);
    if (deadline !== undefined) budget = Math.min(budget, Math.max(deadline - this.clock.now, 1));
    // An entry of this very count lies some deliveries or visits ahead: go there one turn at a time.
    const oneTurn = next !== undefined && next.at.count === instructions;
    if (next !== undefined && !oneTurn) budget = Math.min(budget, next.at.count - instructions);
    const stop = this.processor.run(budget, oneTurn);
    this.clock.retire(stop.retired);
    return stop;
  }

  private nextDeadline(): number | undefined {
    return this.hypervisor === undefined ? this.platform.nextDeadline() : this.hostTimer.deadline;
  }

  private advanceTimers(): void {
    if (this.hypervisor === undefined) this.platform.advance(this.clock.now);
    else this.hostTimer.advance(this.clock.now);
  }

  /** The processor is halted: lets time pass to what comes next. False when nothing comes, or nothing that can wake it. */
  private passIdle(): boolean {
    if (this.hypervisor === undefined && (this.processor.state.eflags & FLAG_IF) === 0) {
      this.stop(StopCause.haltedForever, 0);
      return true;
    }
    const times: number[] = [];
    const deadline = this.nextDeadline();
    if (deadline !== undefined) times.push(deadline);
    const next = this.inputs.next;
    if (next !== undefined && next.at.count === this.clock.instructions) times.push(next.at.count + next.at.idle);
    if (times.length === 0) return false;
    this.clock.passIdle(Math.max(Math.min(...times) - this.clock.now, 0));
    return true;
  }

  /** Runs the VMM to the end of its visit, or to its next step; to no end when its VM entries exit at once for ever. */
  private advanceVisit(stepping: boolean): MachineStop | undefined {
    if (this.hypervisor === undefined) return undefined;
    this.visit ??= this.hypervisor.enter();
    this.visitDue = false;
    const { turns } = this;
    for (;;) {
      const next = this.visit.next();
      if (next.done === true) break;
      this.place.step++;
      if (stepping) return { reason: 'handlerStep', step: next.value };
      if (this.turns - turns > STALLED_TURNS) return stalled(this.guest().state);
    }
    this.visit = undefined;
    this.place.step = 0;
    return stepping ? { reason: 'handlerEnd' } : undefined;
  }

  // Inputs.

  private here(): InputPlace {
    return { count: this.clock.instructions, idle: this.clock.idle, turns: this.turns };
  }

  /**
   * Something reaches the machine from outside, now: it is logged and takes effect. Entries that a replay still had ahead
   * are dropped: `inputs.ahead` says how many.
   * @throws Error with a sentence for the user when it cannot be done now or ever
   */
  input(data: InputData): void {
    if (this.inHandler) {
      throw new Error('The VMM stands inside a handler; finish the handler before changing the guest.');
    }
    const problem = inputProblem(data);
    if (problem !== undefined) throw new Error(problem);
    this.inputs.add({ at: this.here(), data });
    this.applyInputs();
  }

  private applyInputs(): void {
    for (let next = this.inputs.next; next !== undefined; next = this.inputs.next) {
      if (comparePlaces(next.at, this.here()) > 0) return;
      this.inputs.advance();
      applyInput(next.data, this.guest(), this.events, (edit) => this.editState(edit));
      // A device's request may be the VMM's to see.
      this.hypervisor?.poke?.();
    }
  }

  private editState(edit: (state: CpuState) => void): void {
    if (this.hypervisor?.editState !== undefined) this.hypervisor.editState(edit);
    else {
      edit(this.processor.state);
      this.processor.modeChanged();
    }
  }

  // State.

  /** Everything that can change, between two instructions. Memory pages are shared with the save before. */
  save(): MachineSave {
    if (this.inHandler) throw new Error('The machine can be saved only between two visits of the VMM, not inside one.');
    this.lastMemory = this.memory.save(this.lastMemory);
    return { version: 1, config: this.config, memory: this.lastMemory, ...this.smallState() };
  }

  private smallState(): Omit<MachineSave, 'version' | 'config' | 'memory'> {
    return {
      processor: this.processor.save(),
      tlb: this.processor.tlb.save(),
      clock: this.clock.save(),
      ledger: this.ledger.save(),
      platform: this.platform.save(),
      hostTimer: this.hostTimer.save(),
      events: this.events.save(),
      inputs: this.inputs.save(),
      turns: this.turns,
      visitDue: this.visitDue,
      stopped: this.ended ?? null,
      emulated: this.emulatedCount,
      hypervisor: this.hypervisor?.save() ?? null,
      components: Object.fromEntries([...this.components].map(([name, component]) => [name, component.save()])),
    };
  }

  /**
   * Puts the machine where a save was made. It must have been built from the same configuration.
   * @param keepInputs keeps the present log's entries, also those that lie ahead of the save (for going back in time)
   * @throws Error with a sentence for the user when the save does not fit this machine
   */
  load(save: MachineSave, keepInputs = false): void {
    if (hashValue(save.config) !== hashValue(this.config)) {
      throw new Error(
        'The save was made by a machine of another configuration; start a machine with the one it names.',
      );
    }
    this.visit = undefined;
    this.place.step = 0;
    this.memory.load(save.memory);
    this.lastMemory = save.memory;
    this.processor.tlb.load(save.tlb);
    this.processor.load(save.processor);
    this.clock.load(save.clock);
    this.ledger.load(save.ledger);
    this.platform.load(save.platform);
    this.hostTimer.load(save.hostTimer);
    this.events.load(save.events);
    if (keepInputs) this.inputs.rewind(save.inputs.applied);
    else this.inputs.load(save.inputs);
    this.turns = save.turns;
    this.visitDue = save.visitDue;
    this.ended = save.stopped ?? undefined;
    this.emulatedCount = save.emulated;
    if (this.hypervisor !== undefined) this.hypervisor.load(save.hypervisor);
    for (const [name, component] of this.components) {
      if (name in save.components) component.load(save.components[name]);
    }
  }

  /** Equal exactly when everything that can change is equal; the event stream enters by its rolling hash. */
  stateHash(): string {
    const { events, inputs, ...rest } = this.smallState();
    const hash = new StateHasher().value(rest).text(this.events.hash).number(events.emitted).number(inputs.applied);
    this.lastMemory = this.memory.save(this.lastMemory);
    const { pages } = this.lastMemory;
    pages.forEach((page, i) => {
      if (page !== undefined) hash.number(i).bytes(page);
    });
    return hash.digest();
  }
}
