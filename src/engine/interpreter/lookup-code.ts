/** Generated code that looks addresses up: the fast arrays of data accesses and the jump cache of indirect jumps. */
import type { OperandSize } from '../../x86/semantics/context';
import {
  FAST_CODE_TAG,
  FAST_ENTRY_SIZE,
  GENERATION,
  JUMP_CACHE,
  JUMP_CACHE_ENTRIES,
  JUMP_CACHE_ENTRY_SIZE,
} from '../layout';
import { type FunctionBody, type Label, W } from '../wasm/emitter';
import type { Emitted, Locals } from './value-emitter';

/**
 * Looks a flat linear address up in a fast array; the result is a local with the host address.
 * @param array local with the array's base: `locals.fastRead` or `locals.fastWrite`
 * @param bail where to go on a miss
 */
export function emitHostAddress(
  b: FunctionBody,
  locals: Locals,
  bail: Label,
  array: number,
  linear: Emitted,
  size: OperandSize,
): number {
  const at = locals.take('narrow');
  const entry = locals.take('narrow');
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
  if (array === locals.fastRead) b.brIf(bail);
  else {
    b.block(W.if);
    b.get(at);
    b.get(entry);
    b.i32(size);
    b.call(locals.checkCodeStore);
    b.brIf(bail);
    b.end();
  }
  b.get(at);
  b.get(entry);
  b.access(W.i32Load, 8);
  b.op(W.i32Add);
  b.set(at);
  return at;
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
