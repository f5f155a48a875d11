/** The engine: runs the processor's ordinary instructions until something needs the processor itself. */
import type { DecodedInstruction } from '../x86/iced';
import type { EngineHost, LinearMemory, RunResult, Watchpoint } from './access';
import { Evaluator } from './evaluator';
import { FastArrays } from './fast-arrays';
import { fetchInstruction } from './fetch';
import type { HostMemory } from './memory';
import { prepare } from './prepare';
import { ProcessorMemory } from './processor-memory';
import { CpuState } from './state';
import { CS } from '../x86/registers';
import type { Tlb } from './tlb';

export interface EngineOptions {
  /** The generated interpreter (`dist/interpreter.wasm`); generated on the spot when absent. */
  readonly interpreter?: WebAssembly.Module;
}

export class Engine {
  /** The real processor's memory with every check in full. */
  readonly linearMemory: LinearMemory;
  private readonly fast: FastArrays;
  private readonly evaluator: Evaluator;
  private breakpoints: ReadonlySet<number> = new Set();
  private skipBreakpoint = false;
  /** Instructions that the `run` under way has retired so far, 0 outside it: exact whenever the host is asked something. */
  inFlight = 0;

  constructor(
    private readonly memory: HostMemory,
    private readonly state: CpuState,
    host: EngineHost,
    tlb: Tlb,
    _options: EngineOptions = {},
  ) {
    this.fast = new FastArrays(memory);
    this.linearMemory = new ProcessorMemory(memory, state, host, this.fast);
    this.evaluator = new Evaluator(state, this.linearMemory);
    tlb.onDrop = (page, count) => this.fast.dropLinear(page, count);
  }

  /**
   * Runs until the budget is used up or something needs the processor; EIP and flags are exact at return.
   * @param budget most instructions to retire, at least 0
   */
  run(budget: number): RunResult {
    try {
      return this.runOn(budget);
    } finally {
      this.inFlight = 0;
    }
  }

  private runOn(budget: number): RunResult {
    let retired = 0;
    while (retired < budget) {
      const linear = (this.state.base(CS) + this.state.eip) >>> 0;
      if (this.breakpoints.has(linear) && !this.skipBreakpoint) return { reason: 'breakpoint', retired, address: linear };
      this.skipBreakpoint = false;
      try {
        const instruction = fetchInstruction(this.state, this.linearMemory);
        const prepared = prepare(instruction);
        if (prepared === undefined) return { reason: 'system', retired, instruction };
        this.skipBreakpoint = this.evaluator.execute(prepared);
      } catch (fault) {
        return { reason: 'fault', retired, fault };
      }
      retired++;
      this.inFlight = retired;
      const hit = this.memory.takeWatchHit();
      if (hit !== undefined) return { reason: 'watchpoint', retired, address: hit.hpa };
    }
    return { reason: 'budget', retired };
  }

  /** Executes exactly one instruction (of a repeated one, one iteration). */
  stepInstruction(): RunResult {
    return this.run(1);
  }

  /** CPL, a segment, CR0 or CR4 changed. */
  modeChanged(): void {}

  /** Translations may all have changed (CR3, CR0.PG, EPT): drops every fast entry. A TLB flush reports itself. */
  addressSpaceChanged(): void {
    this.fast.dropAll();
  }

  /** Linear addresses at which `run` stops before the instruction. */
  setBreakpoints(linears: ReadonlySet<number>): void {
    this.breakpoints = new Set(linears);
  }

  /** The next `run` executes its first instruction even if it has a breakpoint. */
  skipBreakpointOnce(): void {
    this.skipBreakpoint = true;
  }

  setWatchpoints(watchpoints: readonly Watchpoint[]): void {
    this.memory.setWatchpoints(watchpoints);
  }

  /**
   * Executes one decoded instruction on any state and memory (a repeated one: one iteration) and moves EIP.
   * @returns false, with nothing done, when it is a system instruction
   * @throws what the instruction raises; registers and flags are then as before
   */
  evaluate(instruction: DecodedInstruction, state: CpuState, memory: LinearMemory): boolean {
    const prepared = prepare(instruction);
    if (prepared === undefined) return false;
    new Evaluator(state, memory).execute(prepared);
    return true;
  }
}
