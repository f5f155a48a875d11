/**
 * The engine: runs the processor's ordinary instructions until something needs the processor itself.
 *
 * The generated interpreter runs what it can; an instruction that misses the fast arrays, or that needs a check, is
 * executed whole by the direct evaluator, with the same architectural accesses in the same order, so that the fast path
 * never shows.
 */
import type { DecodedInstruction } from '../x86/iced';
import { CS } from '../x86/registers';
import type { EngineHost, LinearMemory, RunReason, RunResult, Watchpoint } from './access';
import { CodeCache, endsBlock } from './code-cache';
import { CodeLookup } from './code-lookup';
import { codeMode } from './code-mode';
import { Evaluator } from './evaluator';
import { FastArrays } from './fast-arrays';
import { fetchInstruction } from './fetch';
import { defaultInterpreter } from './interpreter/default';
import type { RunInterpreter } from './interpreter/generate';
import { EXIT } from './interpreter/op';
import { EXIT_BUDGET, EXIT_OP, OP_SIZE } from './layout';
import type { HostMemory } from './memory';
import { prepare } from './prepare';
import { ProcessorMemory } from './processor-memory';
import { type CpuState, OFF } from './state';
import type { Tlb } from './tlb';

export interface EngineOptions {
  /** The compiled interpreter (`dist/interpreter.wasm`); generated and compiled on the spot when absent. */
  readonly interpreter?: WebAssembly.Module;
  /** Leaves every instruction to the direct evaluator; nothing else changes. */
  readonly evaluatorOnly?: boolean;
}

/** The interpreter counts in signed 32-bit numbers. */
const LARGEST_BUDGET = 0x7fffffff;
const NOWHERE = -1;
const noProgress = (): number => 0;

export class Engine {
  /** The real processor's memory with every check in full. */
  readonly linearMemory: LinearMemory;
  private readonly fast: FastArrays;
  private readonly evaluator: Evaluator;
  private readonly cache: CodeCache;
  private readonly lookup: CodeLookup;
  private readonly interpret: RunInterpreter;
  private readonly exitWords: Uint32Array;
  private fastRead = 0;
  private fastWrite = 0;
  private modeIsOld = true;
  private controlRegisters = '';
  private breakpoints: ReadonlySet<number> = new Set();
  /** Linear address at which a breakpoint does not stop before something has retired. */
  private passing = NOWHERE;
  /** A repeated instruction is between two iterations: its breakpoint has been passed. */
  private repeating = false;
  private progress = noProgress;

  /** @throws WebAssembly.LinkError when the interpreter module is not one that `generateInterpreter` made */
  constructor(
    private readonly memory: HostMemory,
    private readonly state: CpuState,
    host: EngineHost,
    tlb: Tlb,
    options: EngineOptions = {},
  ) {
    this.fast = new FastArrays(memory);
    this.linearMemory = new ProcessorMemory(memory, state, host, this.fast);
    this.evaluator = new Evaluator(state, this.linearMemory);
    this.cache = new CodeCache(memory, options.evaluatorOnly === true);
    this.lookup = new CodeLookup(memory, host, this.cache);
    const module = options.interpreter ?? defaultInterpreter();
    const { exports } = new WebAssembly.Instance(module, { machine: { memory: memory.wasm } });
    // The export's type is what generateInterpreter gives it; JavaScript cannot tell.
    this.interpret = exports.run as RunInterpreter;
    this.exitWords = new Uint32Array(memory.wasm.buffer);
    tlb.onDrop = (firstPage, pageCount) => {
      this.fast.dropLinear(firstPage, pageCount);
      this.lookup.droppedLinear(firstPage, pageCount);
    };
    memory.listen({
      pageRestricted: (page, reads) => this.fast.dropHostPage(page, reads),
      allWritesRestricted: () => this.fast.dropWrites(),
      codeWritten: (page) => {
        this.cache.dropPage(page);
        this.lookup.end();
      },
      replaced: () => {
        this.fast.dropAll();
        this.dropCode();
      },
    });
  }

  /** Instructions that the `run` under way has retired so far, 0 outside it: exact whenever the host is asked something. */
  get inFlight(): number {
    return this.progress();
  }

  private dropCode(): void {
    this.cache.dropAll();
    this.lookup.end();
  }

  /**
   * Runs until the budget is used up or something needs the processor; EIP and flags are exact at return.
   * @param budget most instructions to retire, at least 0; more than 2^31-1 counts as that
   */
  run(budget: number): RunResult {
    const granted = Math.min(budget, LARGEST_BUDGET);
    let left = granted;
    this.progress = () => granted - left;
    const stop = (reason: RunReason, more: Partial<RunResult> = {}): RunResult => {
      this.progress = noProgress;
      if (left < granted) this.passing = NOWHERE;
      return { reason, retired: granted - left, ...more };
    };
    // A VMM or a delivery may have touched a watched range since the last run.
    const earlier = this.memory.takeWatchHit();
    if (earlier !== undefined) return stop('watchpoint', { address: earlier.hpa });
    this.repeating = false;
    let op = 0;
    while (left > 0) {
      try {
        this.enterMode();
        if (op === 0) op = this.lookup.find(this.state.eip);
        if (op === 0) {
          if (this.stopsHere(left === granted)) return stop('breakpoint', { address: this.linearIp() });
          const instruction = fetchInstruction(this.state, this.linearMemory);
          const prepared = prepare(instruction);
          if (prepared === undefined) return stop('system', { instruction });
          this.repeating = this.evaluator.execute(prepared);
          left--;
        } else {
          const exit = this.interpret(op, left, this.fastRead, this.fastWrite);
          left = this.exitWords[EXIT_BUDGET >> 2] ?? 0;
          const at = this.exitWords[EXIT_OP >> 2] ?? 0;
          op = 0;
          if (exit === EXIT.lookup) this.linkFrom(at);
          else if (exit === EXIT.system) return stop('system', { instruction: this.cache.instructionAt(at) });
          else if (exit === EXIT.breakpoint) {
            if (this.stopsHere(left === granted)) return stop('breakpoint', { address: this.linearIp() });
            op = at + OP_SIZE;
          } else if (exit === EXIT.evaluate) {
            op = this.evaluateOp(at);
            left--;
          }
        }
      } catch (fault) {
        return stop('fault', { fault });
      }
      const hit = this.memory.takeWatchHit();
      if (hit !== undefined) return stop('watchpoint', { address: hit.hpa });
    }
    return stop('budget');
  }

  /** Evaluates an op's instruction; returns the op to go on with, or 0 when it must be looked up. */
  private evaluateOp(at: number): number {
    const prepared = this.cache.preparedAt(at);
    if (prepared === undefined) throw new Error(`The op at ${at.toString(16)} has no instruction to evaluate.`);
    const { ends } = this.lookup;
    const eip = this.state.eip;
    this.repeating = this.evaluator.execute(prepared);
    if (this.lookup.ends !== ends) return 0;
    if (this.repeating) return at;
    // A jump or call that ends its block may lead to the very next instruction, but the next op is another block's.
    const goesOn = this.state.eip === eip + prepared.instruction.length && !endsBlock(prepared);
    return goesOn ? at + OP_SIZE : 0;
  }

  /** Must a breakpoint at EIP stop the run now? */
  private stopsHere(nothingRetired: boolean): boolean {
    const linear = this.linearIp();
    if (!this.breakpoints.has(linear) || this.repeating) return false;
    return !(nothingRetired && this.passing === linear);
  }

  private linearIp(): number {
    return (this.state.base(CS) + this.state.eip) >>> 0;
  }

  /** The interpreter left a branch or chain op for an EIP that it did not know: looks it up and links both. */
  private linkFrom(from: number): void {
    const base = this.state.base(CS);
    const { epoch } = this.cache;
    const eip = this.state.eip;
    const samePage = (base + eip) >>> 12 === (base + this.cache.homeOf(from)) >>> 12;
    if (!samePage) return;
    const { ends } = this.lookup;
    const to = this.lookup.find(eip);
    if (to !== 0 && this.cache.epoch === epoch && this.lookup.ends === ends) this.cache.link(from, to);
  }

  /** Executes exactly one instruction (of a repeated one, one iteration). */
  stepInstruction(): RunResult {
    return this.run(1);
  }

  /** CPL, a segment, CR0 or CR4 changed. Cheap: the mode is worked out at the next run. */
  modeChanged(): void {
    this.modeIsOld = true;
  }

  private enterMode(): void {
    if (!this.modeIsOld && !this.lookup.ended) return;
    this.modeIsOld = false;
    const { state } = this;
    const controlRegisters = `${state.cr0} ${state.cr4} ${state.word(OFF.efer)}`;
    if (controlRegisters !== this.controlRegisters) {
      this.controlRegisters = controlRegisters;
      this.addressSpaceChanged();
    }
    const mode = codeMode(state);
    this.fast.setLimit(mode.flatLimit);
    const { read, write } = this.fast.addresses(state.cpl);
    this.fastRead = read;
    this.fastWrite = write;
    this.lookup.enter(mode, `${state.cpl}`);
  }

  /** Translations may all have changed (CR3, CR0, CR4, EPT, VPID): drops every fast entry. A TLB flush reports itself. */
  addressSpaceChanged(): void {
    this.fast.dropAll();
    this.lookup.end();
  }

  /** Drops the fast entries for which `chosen` returns true; allowed at any time, and never visible. */
  dropFastEntries(chosen: () => boolean = () => true): void {
    this.fast.dropSome(chosen);
  }

  /** Linear addresses at which `run` stops before the instruction. */
  setBreakpoints(linears: ReadonlySet<number>): void {
    this.breakpoints = new Set(linears);
    this.cache.setBreakpoints(this.breakpoints);
    this.lookup.end();
  }

  /** A breakpoint at the current EIP does not stop again before an instruction has retired. */
  skipBreakpointOnce(): void {
    this.passing = this.linearIp();
  }

  /** Replaces the watched ranges and forgets a hit that was not reported yet. */
  setWatchpoints(watchpoints: readonly Watchpoint[]): void {
    this.memory.setWatchpoints(watchpoints);
    this.memory.takeWatchHit();
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
