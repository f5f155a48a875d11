/**
 * Values of generated code: arithmetic on them leaves WebAssembly code, which keeps each value in place or in a local.
 *
 * A handler is generated twice: the first pass counts how often each value is used, so that in the second a value used
 * once is computed in place and only shared values take a local.
 */
import type { OperandSize } from '../../x86/semantics/context';
import { type FunctionBody, I32, I64, type Label, W } from '../wasm/emitter';

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

export abstract class ValueEmitter {
  abstract readonly size: OperandSize;
  protected readonly counts: number[] = [];

  /**
   * @param bail where to go, with nothing changed, when the evaluator must execute the instruction
   * @param uses how often each value is used, from the first pass; undefined in the first pass
   */
  constructor(
    protected readonly body: FunctionBody,
    protected readonly locals: Locals,
    protected readonly bail: Label,
    private readonly uses: readonly number[] | undefined,
  ) {}

  /** A value that depends on nothing that can change: computed in place when it is used once. */
  protected pure(emit: () => void): Emitted {
    const id = this.counts.push(0) - 1;
    const uses = this.uses?.[id];
    return uses === 0 || uses === 1 ? this.counted(id, emit) : this.held(id, emit);
  }

  /** A value that reads state: computed now, in program order. */
  protected ordered(emit: () => void): Emitted {
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
}
