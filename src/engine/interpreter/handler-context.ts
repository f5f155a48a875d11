/**
 * The generating context of the interpreter tier: semantics run over it once per handler and leave WebAssembly code that
 * takes registers, addresses and immediates from the op being executed.
 */
import { FLAG_DF } from '../../x86/flags';
import { RBP, RSP } from '../../x86/registers';
import type { MemoryRole, OperandSize, RepeatKind, SemanticContext } from '../../x86/semantics/context';
import { STATE_BASE } from '../layout';
import { OFF } from '../state';
import { type FunctionBody, type Label, W } from '../wasm/emitter';
import type { Handler, Place } from './handlers';
import { emitHostAddress, pushJumpCacheEntry } from './lookup-code';
import { OP } from './op';
import { type Emitted, type Locals, ValueEmitter } from './value-emitter';

const LOADS = { 1: W.i32Load8u, 2: W.i32Load16u, 4: W.i32Load } as const;
const STORES = { 1: W.i32Store8, 2: W.i32Store16, 4: W.i32Store } as const;
const REGISTER_FIELDS = [OP.register0, OP.register1] as const;
const CL = 1;

/** How the handler's code ends, as the semantics left it. */
export interface Ending {
  /** Go to the op's own target when this is not zero. */
  readonly branch: Emitted | undefined;
  /** Go on at the op in the target local. */
  readonly jumps: boolean;
  readonly repeats: boolean;
}

export class HandlerContext extends ValueEmitter implements SemanticContext<Emitted> {
  readonly size: OperandSize;
  readonly addressSize = 4;
  readonly repeat: RepeatKind;
  private readonly places: readonly Place[];
  private branchCondition: Emitted | undefined;
  private jumps = false;
  /** Local with the host address that `update` has checked. */
  private checked: number | undefined;

  /**
   * @param uses how often each value is used, from the first pass; undefined in the first pass
   * @param bail where to go, with nothing changed, when the evaluator must execute the instruction
   */
  constructor(
    body: FunctionBody,
    locals: Locals,
    private readonly handler: Handler,
    bail: Label,
    uses: readonly number[] | undefined,
  ) {
    super(body, locals, bail, uses);
    this.size = handler.form.size;
    this.repeat = handler.repeat;
    this.places = handler.places;
    locals.restart();
  }

  /** Runs the semantics; returns the use counts for the second pass and what the end needs. */
  generate(): { uses: readonly number[]; ending: Ending } {
    if (this.repeat !== 'none') {
      this.body.i32(0);
      this.body.set(this.locals.again);
    }
    this.handler.form.semantics(this);
    return {
      uses: this.counts,
      ending: { branch: this.branchCondition, jumps: this.jumps, repeats: this.repeat !== 'none' },
    };
  }

  // Operands.

  private opField(field: number): void {
    this.body.get(this.locals.op);
    this.body.access(W.i32Load16u, field);
  }

  private operandSize(operand: number): OperandSize {
    return this.handler.form.operands[operand]?.size ?? 4;
  }

  private registerField(operand: number): number {
    const field = REGISTER_FIELDS[operand];
    if (field === undefined) throw new Error(`${this.handler.form.name} has no register field for operand ${operand}.`);
    return field;
  }

  read(operand: number): Emitted {
    const place = this.places[operand];
    const size = this.operandSize(operand);
    if (place === 'i') {
      return this.pure(() => {
        this.body.get(this.locals.op);
        this.body.access(W.i32Load, OP.immediate);
      });
    }
    if (place === 'r') {
      // Only double shifts have a third operand in a register, and it is CL.
      if (operand === 2) return this.gpr(CL, 1);
      return this.ordered(() => {
        this.opField(this.registerField(operand));
        this.body.access(LOADS[size], 0);
      });
    }
    return this.loadFrom(this.locals.fastRead, this.address(operand), size).value;
  }

  update(operand: number): Emitted {
    const place = this.places[operand];
    if (place === 'r' || place === 'i') return this.read(operand);
    const { value, host } = this.loadFrom(this.locals.fastWrite, this.address(operand), this.operandSize(operand));
    this.checked = host;
    return value;
  }

  write(operand: number, value: Emitted): void {
    const size = this.operandSize(operand);
    if (this.places[operand] === 'r') {
      const field = this.registerField(operand);
      this.opField(field);
      value.push();
      this.body.access(STORES[size], 0);
      return;
    }
    if (this.checked === undefined) this.checked = this.hostAddress(this.locals.fastWrite, this.address(operand), size);
    this.body.get(this.checked);
    value.push();
    this.body.access(STORES[size], 0);
  }

  address(operand: number): Emitted {
    const b = this.body;
    return this.ordered(() => {
      this.opField(OP.base);
      b.access(W.i32Load, 0);
      if (this.places[operand] === 'm') {
        this.opField(OP.index);
        b.access(W.i32Load, 0);
        b.get(this.locals.op);
        b.access(W.i32Load8u, OP.shift);
        b.op(W.i32Shl, W.i32Add);
      }
      b.get(this.locals.op);
      b.access(W.i32Load, OP.displacement);
      b.op(W.i32Add);
    });
  }

  private hostAddress(array: number, linear: Emitted, size: OperandSize): number {
    return emitHostAddress(this.body, this.locals, this.bail, array, linear, size);
  }

  private loadFrom(array: number, linear: Emitted, size: OperandSize): { value: Emitted; host: number } {
    const host = this.hostAddress(array, linear, size);
    const value = this.ordered(() => {
      this.body.get(host);
      this.body.access(LOADS[size], 0);
    });
    return { value, host };
  }

  displace(): void {
    throw new Error('Bit tests by register index are for the evaluator.');
  }

  isMemory(operand: number): boolean {
    return this.places[operand] === 'm' || this.places[operand] === 'b';
  }

  private stateLoad(opcode: number, offset: number): void {
    this.body.i32(0);
    this.body.access(opcode, STATE_BASE + offset);
  }

  private stateStore(opcode: number, offset: number, push: () => void): void {
    this.body.i32(0);
    push();
    this.body.access(opcode, STATE_BASE + offset);
  }

  gpr(register: number, size: OperandSize): Emitted {
    return this.ordered(() => this.stateLoad(LOADS[size], OFF.gpr + register * 8));
  }

  setGpr(register: number, value: Emitted, size: OperandSize): void {
    this.stateStore(STORES[size], OFF.gpr + register * 8, value.push);
  }

  ah(): Emitted {
    return this.ordered(() => this.stateLoad(W.i32Load8u, OFF.gpr + 1));
  }

  setAh(value: Emitted): void {
    this.stateStore(W.i32Store8, OFF.gpr + 1, value.push);
  }

  // The decoder uses these handlers only when the segments concerned are flat and 32 bits wide.

  load(_role: MemoryRole, offset: Emitted, size: OperandSize): Emitted {
    return this.loadFrom(this.locals.fastRead, offset, size).value;
  }

  store(_role: MemoryRole, offset: Emitted, value: Emitted, size: OperandSize): void {
    const host = this.hostAddress(this.locals.fastWrite, offset, size);
    this.body.get(host);
    value.push();
    this.body.access(STORES[size], 0);
  }

  checkStore(_role: MemoryRole, offset: Emitted, size: OperandSize): void {
    this.hostAddress(this.locals.fastWrite, offset, size);
  }

  stackPointer(): Emitted {
    return this.gpr(RSP, 4);
  }

  setStackPointer(value: Emitted): void {
    this.setGpr(RSP, value, 4);
  }

  framePointer(): Emitted {
    return this.gpr(RBP, 4);
  }

  // Flags.

  carry(): Emitted {
    return this.ordered(() => this.stateLoad(W.i32Load, OFF.flagC));
  }

  zero(): Emitted {
    return this.ordered(() => {
      this.stateLoad(W.i64Load, OFF.flagZ);
      this.body.op(W.i64Eqz);
    });
  }

  sign(): Emitted {
    return this.ordered(() => {
      this.stateLoad(W.i32Load, OFF.flagS + 4);
      this.body.i32(31);
      this.body.op(W.i32ShrU);
    });
  }

  overflow(): Emitted {
    return this.ordered(() => this.stateLoad(W.i32Load, OFF.flagO));
  }

  parity(): Emitted {
    return this.evenParity(this.ordered(() => this.stateLoad(W.i32Load, OFF.flagS)));
  }

  adjust(): Emitted {
    return this.ordered(() => {
      this.stateLoad(W.i32Load, OFF.flagA);
      this.body.i32(4);
      this.body.op(W.i32ShrU);
      this.body.i32(1);
      this.body.op(W.i32And);
    });
  }

  setCarry(bit: Emitted): void {
    this.stateStore(W.i32Store, OFF.flagC, bit.push);
  }

  setOverflow(bit: Emitted): void {
    this.stateStore(W.i32Store, OFF.flagO, bit.push);
  }

  setAdjust(value: Emitted): void {
    this.stateStore(W.i32Store, OFF.flagA, value.push);
  }

  setResult(value: Emitted, size: OperandSize): void {
    const wide = this.locals.take('wide');
    this.signExtend(value, size).push();
    this.body.op(W.i64ExtendI32S);
    this.body.set(wide);
    this.stateStore(W.i64Store, OFF.flagZ, () => this.body.get(wide));
    this.stateStore(W.i64Store, OFF.flagS, () => this.body.get(wide));
  }

  setZero(value: Emitted): void {
    this.stateStore(W.i64Store, OFF.flagZ, () => {
      value.push();
      this.body.op(W.i64ExtendI32S);
    });
  }

  flagsImage(): Emitted {
    throw new Error('Instructions that read EFLAGS whole are for the evaluator.');
  }

  setLowFlags(): void {
    throw new Error('Instructions that write EFLAGS whole are for the evaluator.');
  }

  direction(): Emitted {
    return this.ordered(() => {
      this.stateLoad(W.i32Load, OFF.flagsSystem);
      this.body.i32(FLAG_DF);
      this.body.op(W.i32And);
    });
  }

  setDirection(value: 0 | 1): void {
    this.stateStore(W.i32Store, OFF.flagsSystem, () => {
      this.stateLoad(W.i32Load, OFF.flagsSystem);
      this.body.i32(value === 1 ? FLAG_DF : ~FLAG_DF);
      this.body.op(value === 1 ? W.i32Or : W.i32And);
    });
  }

  // Control.

  raise(_vector: number, condition: Emitted): void {
    condition.push();
    this.body.brIf(this.bail);
  }

  nextIp(): Emitted {
    return this.pure(() => {
      this.body.get(this.locals.op);
      this.body.access(W.i32Load, OP.eip);
      this.body.get(this.locals.op);
      this.body.access(W.i32Load8u, OP.length);
      this.body.op(W.i32Add);
    });
  }

  /** A jump-cache hit lies within the CS limit; anything else is for the evaluator to check. */
  jump(target: Emitted): void {
    const to = this.locals.take('narrow');
    target.push();
    this.body.set(to);
    pushJumpCacheEntry(this.body, to, this.locals.target);
    this.body.op(W.i32Eqz);
    this.body.brIf(this.bail);
    this.body.get(this.locals.target);
    this.body.access(W.i32Load, 8);
    this.body.set(this.locals.target);
    this.jumps = true;
  }

  /** The decoder has checked the target against the CS limit. */
  branch(condition: Emitted): void {
    // Held now: what follows may change what the condition reads.
    this.branchCondition = condition;
  }

  again(condition: Emitted): void {
    condition.push();
    this.body.set(this.locals.again);
  }

  immediate(): number {
    throw new Error('Instructions whose code depends on an immediate are for the evaluator.');
  }
}
