/** A small WebAssembly emitter: a growable byte buffer, function bodies with labels, and a module (WebAssembly 1.0, "Binary Format"). */

/** Value types. */
export const I32 = 0x7f;
export const I64 = 0x7e;
const FUNCREF = 0x70;
const FUNCTION_TYPE = 0x60;
const NO_RESULT = 0x40;

/** The instructions that the engine emits. */
export const W = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  select: 0x1b,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  i32Load: 0x28,
  i64Load: 0x29,
  i32Load8u: 0x2d,
  i32Load16u: 0x2f,
  i32Store: 0x36,
  i64Store: 0x37,
  i32Store8: 0x3a,
  i32Store16: 0x3b,
  i32Const: 0x41,
  i64Const: 0x42,
  i32Eqz: 0x45,
  i32Eq: 0x46,
  i32Ne: 0x47,
  i32LtU: 0x49,
  i64Eqz: 0x50,
  i64Eq: 0x51,
  i64Ne: 0x52,
  i32Clz: 0x67,
  i32Ctz: 0x68,
  i32Popcnt: 0x69,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32Mul: 0x6c,
  i32RemU: 0x70,
  i32And: 0x71,
  i32Or: 0x72,
  i32Xor: 0x73,
  i32Shl: 0x74,
  i32ShrS: 0x75,
  i32ShrU: 0x76,
  i32Rotl: 0x77,
  i64Mul: 0x7e,
  i64DivS: 0x7f,
  i64DivU: 0x80,
  i64RemS: 0x81,
  i64RemU: 0x82,
  i64And: 0x83,
  i64Or: 0x84,
  i64Shl: 0x86,
  i64ShrS: 0x87,
  i64ShrU: 0x88,
  i32WrapI64: 0xa7,
  i64ExtendI32S: 0xac,
  i64ExtendI32U: 0xad,
  i32Extend8S: 0xc0,
  i32Extend16S: 0xc1,
} as const;

export class ByteBuffer {
  private bytes = new Uint8Array(1024);
  length = 0;

  u8(value: number): void {
    if (this.length === this.bytes.length) this.grow(this.length * 2);
    this.bytes[this.length++] = value;
  }

  private grow(size: number): void {
    const larger = new Uint8Array(size);
    larger.set(this.bytes);
    this.bytes = larger;
  }

  /** Unsigned LEB128 of 0 to 2^32-1. */
  unsigned(value: number): void {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.u8(rest);
  }

  /** Signed LEB128 of a 32-bit number. */
  signed(value: number): void {
    let rest = value | 0;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
        this.u8(low);
        return;
      }
      this.u8(low | 0x80);
    }
  }

  append(other: ByteBuffer): void {
    const end = this.length + other.length;
    if (end > this.bytes.length) this.grow(Math.max(end, this.bytes.length * 2));
    this.bytes.set(other.bytes.subarray(0, other.length), this.length);
    this.length = end;
  }

  /** The bytes preceded by their count. */
  appendSized(other: ByteBuffer): void {
    this.unsigned(other.length);
    this.append(other);
  }

  name(text: string): void {
    this.unsigned(text.length);
    for (let i = 0; i < text.length; i++) this.u8(text.charCodeAt(i));
  }

  finish(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }
}

/** A branch target: the nesting depth of its block. */
export interface Label {
  readonly depth: number;
}

/** One function body. Locals are numbered after the parameters, in the order of their declaration. */
export class FunctionBody {
  readonly code = new ByteBuffer();
  private readonly localTypes: number[] = [];
  private depth = 0;

  constructor(
    readonly type: number,
    private readonly parameters: number,
  ) {}

  local(type: number): number {
    this.localTypes.push(type);
    return this.parameters + this.localTypes.length - 1;
  }

  op(...opcodes: number[]): void {
    for (const opcode of opcodes) this.code.u8(opcode);
  }

  get(local: number): void {
    this.code.u8(W.localGet);
    this.code.unsigned(local);
  }

  set(local: number): void {
    this.code.u8(W.localSet);
    this.code.unsigned(local);
  }

  tee(local: number): void {
    this.code.u8(W.localTee);
    this.code.unsigned(local);
  }

  i32(value: number): void {
    this.code.u8(W.i32Const);
    this.code.signed(value);
  }

  /** A 64-bit constant in the range of 32-bit signed numbers. */
  i64(value: number): void {
    this.code.u8(W.i64Const);
    this.code.signed(value);
  }

  /** A load or store; alignment is given as 1 byte, which is always allowed and costs nothing. */
  access(opcode: number, offset: number): void {
    this.code.u8(opcode);
    this.code.unsigned(0);
    this.code.unsigned(offset);
  }

  /** Opens a block that produces no value. */
  block(kind: typeof W.block | typeof W.loop | typeof W.if = W.block): Label {
    this.code.u8(kind);
    this.code.u8(NO_RESULT);
    this.depth++;
    return { depth: this.depth };
  }

  end(): void {
    this.code.u8(W.end);
    this.depth--;
  }

  br(label: Label): void {
    this.code.u8(W.br);
    this.code.unsigned(this.depth - label.depth);
  }

  brIf(label: Label): void {
    this.code.u8(W.brIf);
    this.code.unsigned(this.depth - label.depth);
  }

  brTable(labels: readonly Label[], otherwise: Label): void {
    this.code.u8(W.brTable);
    this.code.unsigned(labels.length);
    for (const label of [...labels, otherwise]) this.code.unsigned(this.depth - label.depth);
  }

  call(index: number): void {
    this.code.u8(W.call);
    this.code.unsigned(index);
  }

  callIndirect(type: number): void {
    this.code.u8(W.callIndirect);
    this.code.unsigned(type);
    this.code.u8(0);
  }

  /** The place reached, for `rewind`. */
  mark(): number {
    return this.code.length;
  }

  /** Forgets what was emitted since a mark at the same nesting; locals stay declared. */
  rewind(mark: number): void {
    this.code.length = mark;
  }

  encode(): ByteBuffer {
    const body = new ByteBuffer();
    body.unsigned(this.localTypes.length);
    for (const type of this.localTypes) {
      body.unsigned(1);
      body.u8(type);
    }
    body.append(this.code);
    body.u8(W.end);
    const sized = new ByteBuffer();
    sized.appendSized(body);
    return sized;
  }
}

/** A module that imports the machine's memory as `machine.memory`. */
export class ModuleBuilder {
  private readonly types: { parameters: readonly number[]; results: readonly number[] }[] = [];
  private readonly functions: FunctionBody[] = [];
  private readonly exports: { name: string; index: number }[] = [];
  private table: readonly number[] = [];

  type(parameters: readonly number[], results: readonly number[]): number {
    this.types.push({ parameters, results });
    return this.types.length - 1;
  }

  /** Starts a function; the result is its body, to be filled before `encode`. */
  func(type: number): { index: number; body: FunctionBody } {
    const body = new FunctionBody(type, this.types[type]?.parameters.length ?? 0);
    this.functions.push(body);
    return { index: this.functions.length - 1, body };
  }

  export(name: string, index: number): void {
    this.exports.push({ name, index });
  }

  /** Fills table 0 with these functions from element 0 on. */
  setTable(indices: readonly number[]): void {
    this.table = indices;
  }

  encode(): Uint8Array {
    const out = new ByteBuffer();
    for (const byte of [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.u8(byte);
    const section = (id: number, fill: (s: ByteBuffer) => void): void => {
      const content = new ByteBuffer();
      fill(content);
      out.u8(id);
      out.appendSized(content);
    };
    section(1, (s) => {
      s.unsigned(this.types.length);
      for (const type of this.types) {
        s.u8(FUNCTION_TYPE);
        s.unsigned(type.parameters.length);
        for (const parameter of type.parameters) s.u8(parameter);
        s.unsigned(type.results.length);
        for (const result of type.results) s.u8(result);
      }
    });
    section(2, (s) => {
      s.unsigned(1);
      s.name('machine');
      s.name('memory');
      // A memory with a minimum of one page and no stated maximum.
      for (const byte of [2, 0, 1]) s.u8(byte);
    });
    section(3, (s) => {
      s.unsigned(this.functions.length);
      for (const body of this.functions) s.unsigned(body.type);
    });
    section(4, (s) => {
      s.unsigned(1);
      s.u8(FUNCREF);
      s.u8(0);
      s.unsigned(this.table.length);
    });
    section(7, (s) => {
      s.unsigned(this.exports.length);
      for (const { name, index } of this.exports) {
        s.name(name);
        s.u8(0);
        s.unsigned(index);
      }
    });
    section(9, (s) => {
      s.unsigned(1);
      s.u8(0);
      for (const byte of [W.i32Const, 0, W.end]) s.u8(byte);
      s.unsigned(this.table.length);
      for (const index of this.table) s.unsigned(index);
    });
    section(10, (s) => {
      s.unsigned(this.functions.length);
      for (const body of this.functions) s.append(body.encode());
    });
    return out.finish();
  }
}
