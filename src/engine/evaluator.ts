/**
 * The direct evaluator: executes one instruction on any state block and any linear memory, with every check in full.
 * It is the reference of the generated tiers, their slow path, and the emulator of a VMM.
 */
import { DE, GP, GuestFault } from '../x86/exceptions';
import { FLAG_DF, FLAG_OF, FLAG_RF, FLAG_VM } from '../x86/flags';
import { CS, ES, RBP, RSP, type SegmentIndex, SS } from '../x86/registers';
import type { MemoryRole, OperandSize, RepeatKind, SemanticContext } from '../x86/semantics/context';
import type { LinearMemory } from './access';
import { IN_MEMORY, IS_IMMEDIATE, type PreparedInstruction } from './prepare';
import { linearAddress } from './segmentation';
import { AR_DB, type CpuState, OFF } from './state';

/** No memory operand has been checked for writing yet. */
const NOT_CHECKED = -1;

export class Evaluator implements SemanticContext<number> {
  size: OperandSize = 4;
  addressSize: 2 | 4 = 4;
  repeat: RepeatKind = 'none';
  private current: PreparedInstruction | undefined;
  private displacement = 0;
  private checked = NOT_CHECKED;
  private following = 0;
  private next = 0;
  private repeats = false;

  constructor(
    private readonly state: CpuState,
    private readonly memory: LinearMemory,
  ) {}

  /**
   * Executes one instruction (of a repeated one, one iteration) and moves EIP.
   * @returns true when the same instruction goes on with another iteration (EIP stays)
   * @throws GuestFault, or whatever memory throws, with registers and flags as before
   */
  execute(prepared: PreparedInstruction): boolean {
    const state = this.state;
    const { form } = prepared;
    this.current = prepared;
    this.size = form.size;
    this.addressSize = prepared.addressSize;
    this.repeat = prepared.repeat;
    this.displacement = 0;
    this.checked = NOT_CHECKED;
    this.repeats = false;
    const eip = state.eip;
    this.following = this.wrapIp(eip + prepared.instruction.length);
    this.next = this.following;
    const stackPointer = state.gpr(RSP);
    try {
      form.semantics(this);
    } catch (fault) {
      // POP to memory moves ESP before its last access; nothing else changes registers before a fault.
      state.setGpr(RSP, stackPointer);
      throw fault;
    }
    if (!this.repeats) state.eip = this.next;
    return this.repeats;
  }

  private wrapIp(ip: number): number {
    return (this.state.attributes(CS) & AR_DB) !== 0 ? ip >>> 0 : ip & 0xffff;
  }

  private prepared(): PreparedInstruction {
    if (this.current === undefined) throw new Error('The evaluator was used outside execute().');
    return this.current;
  }

  constant(value: number): number {
    return value | 0;
  }

  add(a: number, b: number): number {
    return (a + b) | 0;
  }

  subtract(a: number, b: number): number {
    return (a - b) | 0;
  }

  multiply(a: number, b: number): number {
    return Math.imul(a, b);
  }

  multiplyHigh(a: number, b: number, signed: boolean): number {
    const product = signed ? BigInt(a) * BigInt(b) : BigInt(a >>> 0) * BigInt(b >>> 0);
    return Number(BigInt.asIntN(32, product >> 32n));
  }

  remainder(a: number, divisor: number): number {
    return ((a >>> 0) % divisor) | 0;
  }

  divide(high: number, low: number, divisor: number, signed: boolean): { quotient: number; remainder: number } {
    const width = this.size * 8;
    const double = (BigInt.asUintN(width, BigInt(high)) << BigInt(width)) | BigInt.asUintN(width, BigInt(low));
    const dividend = signed ? BigInt.asIntN(2 * width, double) : double;
    const by = signed ? BigInt.asIntN(width, BigInt(divisor)) : BigInt.asUintN(width, BigInt(divisor));
    if (by === 0n) throw new GuestFault(DE);
    const quotient = dividend / by;
    const fits = signed ? BigInt.asIntN(width, quotient) : BigInt.asUintN(width, quotient);
    if (fits !== quotient) throw new GuestFault(DE);
    return {
      quotient: Number(BigInt.asIntN(32, BigInt.asUintN(width, quotient))),
      remainder: Number(BigInt.asIntN(32, BigInt.asUintN(width, dividend % by))),
    };
  }

  and(a: number, b: number): number {
    return a & b;
  }

  or(a: number, b: number): number {
    return a | b;
  }

  xor(a: number, b: number): number {
    return a ^ b;
  }

  shiftLeft(a: number, count: number): number {
    return a << count;
  }

  shiftRight(a: number, count: number): number {
    return (a >>> count) | 0;
  }

  shiftRightSigned(a: number, count: number): number {
    return a >> count;
  }

  rotateLeft(a: number, count: number): number {
    return (a << count) | (a >>> (32 - (count & 31)));
  }

  equal(a: number, b: number): number {
    return a === b ? 1 : 0;
  }

  below(a: number, b: number): number {
    return a >>> 0 < b >>> 0 ? 1 : 0;
  }

  isZero(a: number): number {
    return a === 0 ? 1 : 0;
  }

  select(condition: number, whenTrue: number, whenFalse: number): number {
    return condition !== 0 ? whenTrue : whenFalse;
  }

  countTrailingZeros(a: number): number {
    return a === 0 ? 32 : 31 - Math.clz32(a & -a);
  }

  countLeadingZeros(a: number): number {
    return Math.clz32(a);
  }

  evenParity(a: number): number {
    const folded = (a ^ (a >> 4)) & 15;
    return (0x9669 >> folded) & 1;
  }

  signExtend(a: number, from: OperandSize): number {
    return from === 4 ? a : from === 2 ? (a << 16) >> 16 : (a << 24) >> 24;
  }

  zeroExtend(a: number, from: OperandSize): number {
    return from === 4 ? a : from === 2 ? a & 0xffff : a & 0xff;
  }

  when(condition: number, body: () => void): void {
    if (condition !== 0) body();
  }

  read(operand: number): number {
    const prepared = this.prepared();
    const place = prepared.operands[operand] ?? IS_IMMEDIATE;
    if (place === IS_IMMEDIATE) return prepared.immediate;
    const size = prepared.form.operands[operand]?.size ?? 4;
    if (place === IN_MEMORY) return this.memory.read(this.operandLinear(size, false), size) | 0;
    return this.register(place, size);
  }

  update(operand: number): number {
    const prepared = this.prepared();
    if (prepared.operands[operand] !== IN_MEMORY) return this.read(operand);
    const size = prepared.form.operands[operand]?.size ?? 4;
    const linear = this.operandLinear(size, true);
    this.memory.checkWrite(linear, size);
    this.checked = linear;
    return this.memory.read(linear, size) | 0;
  }

  write(operand: number, value: number): void {
    const prepared = this.prepared();
    const place = prepared.operands[operand] ?? IS_IMMEDIATE;
    const size = prepared.form.operands[operand]?.size ?? 4;
    if (place === IN_MEMORY) {
      const linear = this.checked === NOT_CHECKED ? this.operandLinear(size, true) : this.checked;
      this.memory.write(linear, size, unsigned(value, size));
    } else this.setRegister(place, value, size);
  }

  /** A register by its state-block offset, zero-extended. */
  private register(offset: number, size: OperandSize): number {
    const state = this.state;
    if (size === 4) return state.i32[offset >> 2] ?? 0;
    if (size === 1) return state.u8[offset] ?? 0;
    return (state.i32[offset >> 2] ?? 0) & 0xffff;
  }

  private setRegister(offset: number, value: number, size: OperandSize): void {
    const state = this.state;
    if (size === 4) {
      state.i32[offset >> 2] = value;
      state.i32[(offset >> 2) + 1] = 0;
    } else if (size === 1) state.u8[offset] = value;
    else {
      state.u8[offset] = value;
      state.u8[offset + 1] = value >> 8;
    }
  }

  address(_operand: number): number {
    const memory = this.prepared().memory;
    if (memory === undefined) return 0;
    const base = this.register(memory.base, memory.addressSize);
    const index = this.register(memory.index, memory.addressSize) << memory.shift;
    const offset = (base + index + memory.displacement + this.displacement) | 0;
    return memory.addressSize === 4 ? offset : offset & 0xffff;
  }

  private operandLinear(size: number, write: boolean): number {
    return linearAddress(this.state, this.prepared().segment, this.address(0) >>> 0, size, write);
  }

  displace(offset: number): void {
    this.displacement = offset;
  }

  isMemory(operand: number): boolean {
    return this.prepared().operands[operand] === IN_MEMORY;
  }

  gpr(register: number, size: OperandSize): number {
    return this.register(OFF.gpr + register * 8, size);
  }

  setGpr(register: number, value: number, size: OperandSize): void {
    this.setRegister(OFF.gpr + register * 8, value, size);
  }

  ah(): number {
    return this.state.u8[OFF.gpr + 1] ?? 0;
  }

  setAh(value: number): void {
    this.state.u8[OFF.gpr + 1] = value;
  }

  load(role: MemoryRole, offset: number, size: OperandSize): number {
    return this.memory.read(this.roleLinear(role, offset, size, false), size) | 0;
  }

  store(role: MemoryRole, offset: number, value: number, size: OperandSize): void {
    this.memory.write(this.roleLinear(role, offset, size, true), size, unsigned(value, size));
  }

  checkStore(role: MemoryRole, offset: number, size: OperandSize): void {
    this.memory.checkWrite(this.roleLinear(role, offset, size, true), size);
  }

  private roleLinear(role: MemoryRole, offset: number, size: number, write: boolean): number {
    let segment: SegmentIndex = SS;
    let width: 2 | 4 = this.stackSize();
    if (role !== 'stack') {
      segment = role === 'extra' ? ES : this.prepared().segment;
      width = this.addressSize;
    }
    return linearAddress(this.state, segment, width === 4 ? offset >>> 0 : offset & 0xffff, size, write);
  }

  private stackSize(): 2 | 4 {
    return (this.state.attributes(SS) & AR_DB) !== 0 ? 4 : 2;
  }

  stackPointer(): number {
    return this.gpr(RSP, this.stackSize());
  }

  setStackPointer(value: number): void {
    this.setGpr(RSP, value, this.stackSize());
  }

  framePointer(): number {
    return this.gpr(RBP, this.stackSize());
  }

  carry(): number {
    return this.state.i32[OFF.flagC >> 2] ?? 0;
  }

  zero(): number {
    return this.state.i32[OFF.flagZ >> 2] === 0 && this.state.i32[(OFF.flagZ >> 2) + 1] === 0 ? 1 : 0;
  }

  sign(): number {
    return (this.state.i32[(OFF.flagS >> 2) + 1] ?? 0) >>> 31;
  }

  overflow(): number {
    return this.state.i32[OFF.flagO >> 2] ?? 0;
  }

  parity(): number {
    return this.evenParity((this.state.i32[OFF.flagS >> 2] ?? 0) & 0xff);
  }

  adjust(): number {
    return ((this.state.i32[OFF.flagA >> 2] ?? 0) >> 4) & 1;
  }

  setCarry(bit: number): void {
    this.state.i32[OFF.flagC >> 2] = bit;
  }

  setOverflow(bit: number): void {
    this.state.i32[OFF.flagO >> 2] = bit;
  }

  setAdjust(value: number): void {
    this.state.i32[OFF.flagA >> 2] = value;
  }

  setResult(value: number, size: OperandSize): void {
    const extended = this.signExtend(value, size);
    this.setZero(extended);
    this.state.i32[OFF.flagS >> 2] = extended;
    this.state.i32[(OFF.flagS >> 2) + 1] = extended >> 31;
  }

  setZero(value: number): void {
    this.state.i32[OFF.flagZ >> 2] = value;
    this.state.i32[(OFF.flagZ >> 2) + 1] = value >> 31;
  }

  flagsImage(): number {
    return this.state.eflags & ~(FLAG_RF | FLAG_VM);
  }

  setLowFlags(image: number): void {
    this.state.arithmeticFlags = (image & ~FLAG_OF) | (this.overflow() !== 0 ? FLAG_OF : 0);
  }

  direction(): number {
    return (this.state.word(OFF.flagsSystem) & FLAG_DF) !== 0 ? 1 : 0;
  }

  setDirection(value: 0 | 1): void {
    const system = this.state.word(OFF.flagsSystem);
    this.state.setWord(OFF.flagsSystem, value === 1 ? system | FLAG_DF : system & ~FLAG_DF);
  }

  raise(vector: number, condition: number): void {
    if (condition !== 0) throw new GuestFault(vector);
  }

  nextIp(): number {
    return this.following | 0;
  }

  jump(target: number): void {
    const offset = this.size === 2 ? target & 0xffff : target >>> 0;
    if (offset > this.state.limit(CS)) throw new GuestFault(GP, 0);
    this.next = offset;
  }

  branch(condition: number): void {
    if (condition !== 0) this.jump(this.prepared().target);
  }

  again(condition: number): void {
    this.repeats = condition !== 0;
  }

  immediate(which: 0 | 1): number {
    return which === 0 ? this.prepared().immediate : this.prepared().instruction.immediate2;
  }
}

function unsigned(value: number, size: OperandSize): number {
  return size === 4 ? value >>> 0 : size === 2 ? value & 0xffff : value & 0xff;
}
