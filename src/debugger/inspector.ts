/** What a debugger can look at while the guest stands still: places, stacks, memory, code and expressions. Nothing changes. */
import type { MachineConfig } from '../machine/config';
import type { GuestView } from '../machine/guest-view';
import type { Machine } from '../machine/machine';
import { formatNasm } from '../x86/iced';
import { CS, SEGMENT_NAMES, type SegmentIndex, SS } from '../x86/registers';
import { type Address, hex } from './addresses';
import type { SourceLine } from './code-map';
import { disassemble, type DisassemblyRow } from './disassembly';
import { Deliveries } from './event-text';
import type { ExpressionScope } from './expressions';
import { type MemoryPiece, readLinear, readMemory } from './guest-memory';
import type { Program } from './program';
import { registerNamed } from './registers';
import { type StackFrame, unwind } from './stack';
import { StopView } from './stop-view';
import { secondRoot } from './vmcs-view';

export abstract class Inspector {
  private seen: GuestView | undefined;
  private readonly deliveries: Deliveries;

  protected constructor(
    readonly machine: Machine,
    readonly program: Program,
    readonly config: MachineConfig,
  ) {
    this.deliveries = new Deliveries(machine);
  }

  /** The guest runs: what is looked up now must not be kept. */
  abstract get running(): boolean;

  /** The guest has changed or is about to: look again. */
  protected forget(): void {
    this.seen = undefined;
  }

  /** The guest at this stop. */
  get view(): GuestView {
    this.seen ??= new StopView(this.machine.guest());
    return this.seen;
  }

  /** Linear address of the next instruction. */
  get instructionPointer(): number {
    const { state } = this.view;
    return (state.base(CS) + state.eip) >>> 0;
  }

  protected gpa(linear: number): number | undefined {
    const view = this.running ? this.machine.guest() : this.view;
    return view.translate(linear)?.gpa;
  }

  lineAt(address: number): SourceLine | undefined {
    return this.program.codeMap.lineAt(address, this.gpa(address));
  }

  symbolAt(address: number): string | undefined {
    return this.program.codeMap.symbolAt(address, this.gpa(address));
  }

  /** Source line and symbol of a linear address. */
  locate(address: number): (SourceLine & { readonly symbol?: string }) | undefined {
    const line = this.lineAt(address);
    const symbol = this.symbolAt(address);
    return line === undefined ? undefined : { ...line, ...(symbol === undefined ? {} : { symbol }) };
  }

  /** `switch_task (kernel.asm:191)`, as far as known, for messages. */
  protected placeText(address: number): string {
    const place = this.locate(address);
    if (place === undefined) return hex(address);
    return `${place.symbol ?? hex(address)} (${place.path.split(/[\\/]/).pop() ?? ''}:${place.line})`;
  }

  stack(): StackFrame[] {
    const { view } = this;
    const { state } = view;
    return unwind({
      eip: this.instructionPointer,
      esp: (state.base(SS) + state.gpr(4)) >>> 0,
      ebp: (state.base(SS) + state.gpr(5)) >>> 0,
      cpl: state.cpl,
      // ESP0 lies 4 bytes into a 32-bit TSS (Intel SDM 3A, "Task-State Segment").
      ring0StackTop: state.selector(7) === 0 ? undefined : readLinear(view, (state.base(7) + 4) >>> 0, 4),
      read32: (linear) => readLinear(view, linear >>> 0, 4),
      readCode: (linear, n) => this.readCode(linear, n),
      gpa: (linear) => this.gpa(linear),
      codeMap: this.program.codeMap,
      deliveryAt: (frame, eip) => this.deliveries.nameOf(frame, eip),
    });
  }

  get scope(): ExpressionScope {
    return this.scopeOf(this.view);
  }

  protected scopeOf(view: GuestView): ExpressionScope {
    return {
      register: (name) => registerNamed(name)?.read(view.state),
      label: (name) => this.labelAddress(name),
      read: (linear, size) => readLinear(view, linear, size),
      segmentBase: (name) => {
        const index = SEGMENT_NAMES.findIndex((n) => n === name);
        // findIndex over the eight names gives a SegmentIndex or -1.
        return index < 0 ? undefined : view.state.base(index as SegmentIndex);
      },
    };
  }

  /** A local label may be written alone (`.loop`) inside its routine. */
  private labelAddress(name: string): number | undefined {
    const { codeMap } = this.program;
    if (!name.startsWith('.')) return codeMap.addressOf(name);
    const at = this.instructionPointer;
    const routine = codeMap.routineAt(at, this.gpa(at));
    return routine === undefined ? undefined : codeMap.addressOf(routine.name + name);
  }

  read(at: Address, n: number): MemoryPiece {
    return readMemory(this.view, this.machine.memory, at, n);
  }

  protected readCode(linear: number, n: number): Uint8Array {
    const view = this.running ? this.machine.guest() : this.view;
    return readMemory(view, this.machine.memory, { space: 'linear', address: linear }, n).bytes;
  }

  disassemble(anchor: number, offset: number, count: number): DisassemblyRow[] {
    const source = {
      bitness: 32 as const,
      codeMap: this.program.codeMap,
      gpa: (linear: number) => this.gpa(linear),
      read: (linear: number, n: number) => this.readCode(linear, n),
    };
    return disassemble(source, anchor, offset, count, [this.instructionPointer]);
  }

  /** The instruction at a linear address in the current address space, undefined where nothing is mapped. */
  instructionText(linear: number): string | undefined {
    const bytes = this.readCode(linear, 15);
    return bytes.length === 0 ? undefined : formatNasm(bytes, 32, BigInt(linear));
  }

  /** HPA of the shadow or nested root that the hardware uses, where there is one. */
  get secondRoot(): number | undefined {
    return secondRoot(this.machine, this.config.mmu);
  }
}
