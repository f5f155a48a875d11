/**
 * The generating context of the interpreter tier: semantics run over it once per handler and leave WebAssembly code that
 * takes registers, addresses and immediates from the op being executed.
 *
 * A handler is generated twice: the first pass counts how often each value is used, so that in the second a value used
 * once is computed in place and only shared values take a local.
 */
import { FLAG_DF } from '../../x86/flags';
import { RBP, RSP } from '../../x86/registers';
import type { MemoryRole, OperandSize, RepeatKind, SemanticContext } from '../../x86/semantics/context';
import {
  FAST_CODE_TAG,
  FAST_ENTRY_SIZE,
  GENERATION,
  JUMP_CACHE,
  JUMP_CACHE_ENTRIES,
  JUMP_CACHE_ENTRY_SIZE,
  STATE_BASE,
} from '../layout';
import { OFF } from '../state';
import { type FunctionBody, I32, I64, type Label, W } from '../wasm/emitter';
import type { Handler, Place } from './handlers';
import { OP } from './op';

/** A value of generated code: `push` leaves it on the WebAssembly stack. */
export interface Emitted {
  /** Number in the order of creation; -1 for constants. */
  readonly id: number;
  readonly push: () => void;
}

/** Locals of one function, reused from handler to handler. */
export class Locals {
  private readonly pools = { narrow: [] as number[], wide: [] as number[] };
  private used = { narrow: 0, wide: 0 };

  constructor(
    private readonly body: FunctionBody,
    readonly op: number,
    readonly fastRead: number,
    readonly fastWrite: number,
    /** 1 when a repeated instruction goes on. */
    readonly again: number,
    /** Op to go on with after an indirect jump. */
    readonly target: number,
    /** The function that `emitCheckCodeStore` fills. */
    readonly checkCodeStore: number,
  ) {}

  restart(): void {
    this.used = { narrow: 0, wide: 0 };
  }

  take(kind: 'narrow' | 'wide'): number {
    const pool = this.pools[kind];
    const next = this.used[kind]++;
    const known = pool[next];
    if (known !== undefined) return known;
    const local = this.body.local(kind === 'narrow' ? I32 : I64);
    pool.push(local);
    return local;
  }
}

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

export class HandlerContext implements SemanticContext<Emitted> {
  readonly size: OperandSize;
  readonly addressSize = 4;
  readonly repeat: RepeatKind;
  private readonly places: readonly Place[];
  private readonly counts: number[] = [];
  private branchCondition: Emitted | undefined;
  private jumps = false;
  /** Local with the host address that `update` has checked. */
  private checked: number | undefined;

  /**
   * @param uses how often each value is used, from the first pass; undefined in the first pass
   * @param bail where to go, with nothing changed, when the evaluator must execute the instruction
   */
  constructor(
    private readonly body: FunctionBody,
    private readonly locals: Locals,
    private readonly handler: Handler,
    private readonly bail: Label,
    private readonly uses: readonly number[] | undefined,
  ) {
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

  // Values.

  /** A value that depends on nothing that can change: computed in place when it is used once. */
  private pure(emit: () => void): Emitted {
    const id = this.counts.push(0) - 1;
    if (this.uses !== undefined && this.uses[id] === 1) {
      return this.counted(id, emit);
    }
    if (this.uses !== undefined && this.uses[id] === 0) return this.counted(id, emit);
    return this.held(id, emit);
  }

  /** A value that reads state: computed now, in program order. */
  private ordered(emit: () => void): Emitted {
    return this.held(this.counts.push(0) - 1, emit);
  }

  private held(id: number, emit: () => void): Emitted {
    const local = this.locals.take('narrow');
    emit();
    this.body.set(local);
    return this.counted(id, () => this.body.get(local));
  }

  private counted(id: number, emit: () => void): Emitted {
    return {
      id,
      push: () => {
        this.counts[id] = (this.counts[id] ?? 0) + 1;
        emit();
      },
    };
  }

  private binary(opcode: number, a: Emitted, b: Emitted): Emitted {
    return this.pure(() => {
      a.push();
      b.push();
      this.body.op(opcode);
    });
  }

  private unary(opcode: number, a: Emitted): Emitted {
    return this.pure(() => {
      a.push();
      this.body.op(opcode);
    });
  }

  constant(value: number): Emitted {
    return { id: -1, push: () => this.body.i32(value | 0) };
  }

  add(a: Emitted, b: Emitted): Emitted {
    return this.binary(W.i32Add, a, b);
  }

  subtract(a: Emitted, b: Emitted): Emitted {
    return this.binary(W.i32Sub, a, b);
  }

  multiply(a: Emitted, b: Emitted): Emitted {
    return this.binary(W.i32Mul, a, b);
  }

  multiplyHigh(a: Emitted, b: Emitted, signed: boolean): Emitted {
    const extend = signed ? W.i64ExtendI32S : W.i64ExtendI32U;
    return this.pure(() => {
      a.push();
      this.body.op(extend);
      b.push();
      this.body.op(extend, W.i64Mul);
      this.body.i64(32);
      this.body.op(W.i64ShrU, W.i32WrapI64);
    });
  }

  remainder(a: Emitted, divisor: number): Emitted {
    return this.binary(W.i32RemU, a, this.constant(divisor));
  }

  divide(high: Emitted, low: Emitted, divisor: Emitted, signed: boolean): { quotient: Emitted; remainder: Emitted } {
    const b = this.body;
    const bits = this.size * 8;
    const dividend = this.locals.take('wide');
    const by = this.locals.take('wide');
    const quotient = this.locals.take('wide');
    // The double-width dividend; for words and bytes its sign is brought up by shifting left and back.
    high.push();
    b.op(W.i64ExtendI32U);
    b.i64(bits);
    b.op(W.i64Shl);
    low.push();
    b.op(W.i64ExtendI32U, W.i64Or);
    if (signed && bits < 32) {
      b.i64(64 - 2 * bits);
      b.op(W.i64Shl);
      b.i64(64 - 2 * bits);
      b.op(W.i64ShrS);
    }
    b.set(dividend);
    (signed ? this.signExtend(divisor, this.size) : divisor).push();
    b.op(signed ? W.i64ExtendI32S : W.i64ExtendI32U);
    b.tee(by);
    b.op(W.i64Eqz);
    b.brIf(this.bail);
    if (signed) {
      // The one signed division that does not fit into 64 bits: the lowest dividend by -1.
      b.get(by);
      b.i64(-1);
      b.op(W.i64Eq);
      b.get(dividend);
      b.i64(1);
      b.i64(63);
      b.op(W.i64Shl, W.i64Eq, W.i32And);
      b.brIf(this.bail);
    }
    b.get(dividend);
    b.get(by);
    b.op(signed ? W.i64DivS : W.i64DivU);
    b.tee(quotient);
    b.get(quotient);
    b.i64(64 - bits);
    b.op(W.i64Shl);
    b.i64(64 - bits);
    b.op(signed ? W.i64ShrS : W.i64ShrU, W.i64Ne);
    b.brIf(this.bail);
    return {
      quotient: this.ordered(() => {
        b.get(quotient);
        b.op(W.i32WrapI64);
      }),
      remainder: this.ordered(() => {
        b.get(dividend);
        b.get(by);
        b.op(signed ? W.i64RemS : W.i64RemU, W.i32WrapI64);
      }),
    };
  }

  and(a: Emitted, b: Emitted): Emitted {
    return this.binary(W.i32And, a, b);
  }

  or(a: Emitted, b: Emitted): Emitted {
    return this.binary(W.i32Or, a, b);
  }

  xor(a: Emitted, b: Emitted): Emitted {
    return this.binary(W.i32Xor, a, b);
  }

  shiftLeft(a: Emitted, count: Emitted): Emitted {
    return this.binary(W.i32Shl, a, count);
  }

  shiftRight(a: Emitted, count: Emitted): Emitted {
    return this.binary(W.i32ShrU, a, count);
  }

  shiftRightSigned(a: Emitted, count: Emitted): Emitted {
    return this.binary(W.i32ShrS, a, count);
  }

  rotateLeft(a: Emitted, count: Emitted): Emitted {
    return this.binary(W.i32Rotl, a, count);
  }

  equal(a: Emitted, b: Emitted): Emitted {
    return this.binary(W.i32Eq, a, b);
  }

  below(a: Emitted, b: Emitted): Emitted {
    return this.binary(W.i32LtU, a, b);
  }

  isZero(a: Emitted): Emitted {
    return this.unary(W.i32Eqz, a);
  }

  select(condition: Emitted, whenTrue: Emitted, whenFalse: Emitted): Emitted {
    return this.pure(() => {
      whenTrue.push();
      whenFalse.push();
      condition.push();
      this.body.op(W.select);
    });
  }

  countTrailingZeros(a: Emitted): Emitted {
    return this.unary(W.i32Ctz, a);
  }

  countLeadingZeros(a: Emitted): Emitted {
    return this.unary(W.i32Clz, a);
  }

  evenParity(a: Emitted): Emitted {
    const ones = this.unary(W.i32Popcnt, this.and(a, this.constant(0xff)));
    return this.xor(this.and(ones, this.constant(1)), this.constant(1));
  }

  signExtend(a: Emitted, from: OperandSize): Emitted {
    if (from === 4) return a;
    return this.unary(from === 1 ? W.i32Extend8S : W.i32Extend16S, a);
  }

  zeroExtend(a: Emitted, from: OperandSize): Emitted {
    return from === 4 ? a : this.and(a, this.constant(from === 1 ? 0xff : 0xffff));
  }

  when(condition: Emitted, body: () => void): void {
    condition.push();
    this.body.block(W.if);
    body();
    this.body.end();
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

  /** Looks a flat linear address up in a fast array; the result is a local with the host address. */
  private hostAddress(array: number, linear: Emitted, size: OperandSize): number {
    const b = this.body;
    const at = this.locals.take('narrow');
    const entry = this.locals.take('narrow');
    linear.push();
    b.set(at);
    b.get(array);
    b.get(at);
    b.i32(8);
    b.op(W.i32ShrU);
    b.i32((0xfff * FAST_ENTRY_SIZE) & 0xffff);
    b.op(W.i32And, W.i32Add);
    b.tee(entry);
    b.access(W.i32Load, 0);
    b.get(at);
    if (size > 1) {
      b.i32(size - 1);
      b.op(W.i32Add);
    }
    b.i32(~0xfff);
    b.op(W.i32And, W.i32Ne);
    if (array === this.locals.fastRead) b.brIf(this.bail);
    else {
      b.block(W.if);
      b.get(at);
      b.get(entry);
      b.i32(size);
      b.call(this.locals.checkCodeStore);
      b.brIf(this.bail);
      b.end();
    }
    b.get(at);
    b.get(entry);
    b.access(W.i32Load, 8);
    b.op(W.i32Add);
    b.set(at);
    return at;
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

/**
 * Fills the function (linear, entry, size) -> 0 when the store may go by a write entry that is tagged as code: the page
 * matches and none of the bytes was decoded.
 */
export function emitCheckCodeStore(b: FunctionBody): void {
  const [linear, entry, size] = [0, 1, 2];
  b.get(entry);
  b.access(W.i32Load, 0);
  b.get(linear);
  b.get(size);
  b.op(W.i32Add);
  b.i32(1);
  b.op(W.i32Sub);
  b.i32(~0xfff);
  b.op(W.i32And);
  b.i32(FAST_CODE_TAG);
  b.op(W.i32Or, W.i32Ne);
  b.block(W.if);
  b.i32(1);
  b.op(W.return);
  b.end();
  // Of four map bytes from the address on, those of the store count; past a page's end there is only more memory.
  b.get(entry);
  b.access(W.i32Load, 12);
  b.get(linear);
  b.i32(0xfff);
  b.op(W.i32And, W.i32Add);
  b.access(W.i32Load, 0);
  b.i32(32);
  b.get(size);
  b.i32(3);
  b.op(W.i32Shl, W.i32Sub, W.i32Shl);
}

/** Leaves 1 on the stack when the jump cache knows the EIP in local `eip`; `entry` then holds the entry's address. */
export function pushJumpCacheEntry(b: FunctionBody, eip: number, entry: number): void {
  b.get(eip);
  b.i32(JUMP_CACHE_ENTRIES - 1);
  b.op(W.i32And);
  b.i32(Math.log2(JUMP_CACHE_ENTRY_SIZE));
  b.op(W.i32Shl);
  b.i32(JUMP_CACHE);
  b.op(W.i32Add);
  b.tee(entry);
  b.access(W.i32Load, 0);
  b.get(eip);
  b.op(W.i32Eq);
  b.get(entry);
  b.access(W.i32Load, 4);
  b.i32(0);
  b.access(W.i32Load, GENERATION);
  b.op(W.i32Eq, W.i32And);
}
