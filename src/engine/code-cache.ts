/**
 * Decoded code: runs of ops in the arena of linear memory, found by host page, mode and EIP, and dropped as soon as one
 * of the bytes they came from is written.
 */
import { type DecodedInstruction, decode, OpKind } from '../x86/iced';
import { ES } from '../x86/registers';
import { type CodeMode, isFlat } from './code-mode';
import { isTooLong, LONGEST_INSTRUCTION } from './fetch';
import { type Handler, handlerKey, listHandlers, type Place, USES_STACK } from './interpreter/handlers';
import { OP, PSEUDO } from './interpreter/op';
import { CODE_MAPS, OP_ARENA, OP_SIZE, STATE_BASE } from './layout';
import type { HostMemory } from './memory';
import { IN_MEMORY, IS_IMMEDIATE, type PreparedInstruction, prepare } from './prepare';
import { OFF } from './state';

/** Most instructions of one block, so that every discovery ends. */
const BLOCK_LIMIT = 128;
const PAGE = 4096;

/** Nothing follows these in a block. */
const ENDS_BLOCK = new Set(['Jmp', 'JmpIndirect', 'Call', 'CallIndirect', 'Retnd', 'Retnw', 'RetImmediate']);

export function endsBlock(prepared: PreparedInstruction): boolean {
  return ENDS_BLOCK.has(prepared.form.name);
}

/** An op as it will stand in the arena. */
interface DecodedOp {
  readonly handler: number;
  readonly eip: number;
  readonly prepared: PreparedInstruction | undefined;
  readonly instruction: DecodedInstruction | undefined;
}

/** A chain and a direct branch hold where they go, others their immediate. */
function immediateField(op: DecodedOp): number {
  if (op.handler === PSEUDO.chain) return op.eip;
  if (op.prepared === undefined) return 0;
  return isDirectBranch(op.prepared) ? op.prepared.target : op.prepared.immediate;
}

function isDirectBranch(prepared: PreparedInstruction): boolean {
  const kind = prepared.instruction.opKinds[0];
  return kind === OpKind.NearBranch16 || kind === OpKind.NearBranch32;
}

export class CodeCache {
  /** Raised whenever ops died: op addresses known from before must not be used any more. */
  epoch = 0;
  private readonly pages = new Map<number, Map<string, Map<number, number>>>();
  private readonly view: DataView;
  private readonly handlers: ReadonlyMap<string, Handler>;
  private instructions: (DecodedInstruction | undefined)[] = [];
  private prepared: (PreparedInstruction | undefined)[] = [];
  private next: number = OP_ARENA;
  /** Linear addresses that get a breakpoint op. */
  private breakpoints: ReadonlySet<number> = new Set();

  /** @param evaluatorOnly leave every instruction to the evaluator */
  constructor(
    private readonly memory: HostMemory,
    evaluatorOnly: boolean,
  ) {
    this.view = new DataView(memory.wasm.buffer);
    this.handlers = evaluatorOnly ? new Map() : listHandlers();
  }

  /** The decoded instruction of an op, undefined for breakpoint and chain ops. */
  instructionAt(op: number): DecodedInstruction | undefined {
    return this.instructions[(op - OP_ARENA) / OP_SIZE];
  }

  /** The op's instruction ready to evaluate, undefined for system instructions and pseudo-ops. */
  preparedAt(op: number): PreparedInstruction | undefined {
    return this.prepared[(op - OP_ARENA) / OP_SIZE];
  }

  /** An EIP in the page that the op belongs to; a chain op holds the EIP after its block, which may lie in the next page. */
  homeOf(op: number): number {
    const isChain = this.view.getUint16(op + OP.handler, true) === PSEUDO.chain;
    return this.view.getUint32((isChain ? op - OP_SIZE : op) + OP.eip, true);
  }

  /** Lets a direct branch or chain op go straight to another op of the same page. */
  link(from: number, to: number): void {
    this.view.setUint32(from + OP.link, to, true);
  }

  setBreakpoints(linears: ReadonlySet<number>): void {
    this.breakpoints = linears;
    this.dropAll();
  }

  /**
   * The op of the instruction at an EIP whose first byte lies at `hpa`; decodes a block when there is none yet.
   * @returns 0 when it cannot be kept: it crosses the page, lies outside RAM, or reaches the CS limit
   */
  find(hpa: number, eip: number, mode: CodeMode): number {
    const page = hpa >>> 12;
    const known = this.pages.get(page)?.get(mode.key)?.get(eip);
    if (known !== undefined) return known;
    const pageEnd = eip + PAGE - 1 - (hpa % PAGE);
    if (hpa >= this.memory.size || pageEnd > mode.codeLimit) return 0;
    const block = this.decodeBlock(hpa, eip, mode);
    if (block.length === 0) return 0;
    // One more op for the chain at the end.
    if (this.next + (block.length + 1) * OP_SIZE > CODE_MAPS) this.dropAll();
    const start = this.next;
    for (const op of block) this.emit(op);
    this.blocksOf(page, mode).set(eip, start);
    return start;
  }

  private blocksOf(page: number, mode: CodeMode): Map<number, number> {
    let modes = this.pages.get(page);
    if (modes === undefined) {
      modes = new Map();
      this.pages.set(page, modes);
    }
    let blocks = modes.get(mode.key);
    if (blocks === undefined) {
      blocks = new Map();
      modes.set(mode.key, blocks);
    }
    return blocks;
  }

  private decodeBlock(hpa: number, eip: number, mode: CodeMode): DecodedOp[] {
    const rest = PAGE - (hpa % PAGE);
    const block: DecodedOp[] = [];
    let at = 0;
    let ended = false;
    while (!ended && at < rest && block.length < BLOCK_LIMIT) {
      const ip = eip + at;
      const bytes = this.memory.readBytes(hpa + at, Math.min(LONGEST_INSTRUCTION, rest - at));
      const instruction = decode(bytes, mode.bitness, BigInt(ip));
      if (instruction.needsMoreBytes || isTooLong(instruction)) break;
      if (this.breakpoints.has((mode.codeBase + ip) >>> 0)) {
        block.push({ handler: PSEUDO.breakpoint, eip: ip, prepared: undefined, instruction: undefined });
      }
      const prepared = prepare(instruction);
      block.push({
        handler: prepared === undefined ? PSEUDO.system : this.handlerOf(prepared, mode),
        eip: ip,
        prepared,
        instruction,
      });
      ended = prepared === undefined || endsBlock(prepared);
      at += instruction.length;
    }
    if (at === 0) return [];
    if (!this.memory.markCode(hpa, at)) {
      this.dropAll();
      this.memory.markCode(hpa, at);
    }
    if (!ended) {
      const next = mode.bitness === 32 ? (eip + at) >>> 0 : (eip + at) & 0xffff;
      block.push({ handler: PSEUDO.chain, eip: next, prepared: undefined, instruction: undefined });
    }
    return block;
  }

  /** The handler that may execute the instruction in this mode; the evaluator's when segments or sizes need checks. */
  private handlerOf(prepared: PreparedInstruction, mode: CodeMode): number {
    const { form, memory, operands } = prepared;
    const isLea = form.name === 'Lea';
    if (operands.includes(IN_MEMORY)) {
      if (memory?.addressSize !== 4 || !(isLea || isFlat(mode, prepared.segment))) return PSEUDO.evaluate;
    }
    if (USES_STACK.has(form.name) && !mode.flatStack) return PSEUDO.evaluate;
    if (form.isString) {
      const flat = isFlat(mode, ES) && isFlat(mode, prepared.segment);
      if (prepared.addressSize !== 4 || !flat) return PSEUDO.evaluate;
    }
    if (prepared.target > mode.codeLimit || mode.bitness !== 32) return PSEUDO.evaluate;
    const places = (short: Place): Place[] =>
      operands.map((place) => (place === IN_MEMORY ? short : place === IS_IMMEDIATE ? 'i' : 'r'));
    const handler =
      (memory?.index === OFF.zero ? this.handlers.get(handlerKey(form, places('b'), prepared.repeat)) : undefined) ??
      this.handlers.get(handlerKey(form, places('m'), prepared.repeat));
    return handler?.number ?? PSEUDO.evaluate;
  }

  private emit(op: DecodedOp): void {
    const at = this.next;
    const { view } = this;
    const { prepared } = op;
    this.next += OP_SIZE;
    const number = (at - OP_ARENA) / OP_SIZE;
    this.instructions[number] = op.instruction;
    this.prepared[number] = prepared;
    view.setUint16(at + OP.handler, op.handler, true);
    view.setUint8(at + OP.length, op.instruction?.length ?? 0);
    view.setUint32(at + OP.eip, op.eip, true);
    const register = (operand: number): number => STATE_BASE + Math.max(prepared?.operands[operand] ?? OFF.zero, 0);
    view.setUint16(at + OP.register0, register(0), true);
    view.setUint16(at + OP.register1, register(1), true);
    const memory = prepared?.memory;
    view.setUint16(at + OP.base, STATE_BASE + (memory?.base ?? OFF.zero), true);
    view.setUint16(at + OP.index, STATE_BASE + (memory?.index ?? OFF.zero), true);
    view.setUint8(at + OP.shift, memory?.shift ?? 0);
    view.setInt32(at + OP.displacement, memory?.displacement ?? 0, true);
    view.setInt32(at + OP.immediate, immediateField(op) | 0, true);
    view.setUint32(at + OP.link, 0, true);
  }

  /** The page's bytes changed: its ops are dead. Links never leave a page, so nothing else refers to them. */
  dropPage(page: number): void {
    if (this.pages.delete(page)) this.epoch++;
  }

  dropAll(): void {
    for (const page of this.pages.keys()) this.memory.forgetCode(page);
    this.pages.clear();
    this.instructions = [];
    this.prepared = [];
    this.next = OP_ARENA;
    this.epoch++;
  }
}
