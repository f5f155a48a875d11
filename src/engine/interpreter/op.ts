/** The layout of a decoded op in the arena, and the pseudo-ops that stand beside instruction handlers. */

/** Byte offsets in an op; addresses are those of linear memory. */
export const OP = {
  /** u16: handler number. */
  handler: 0,
  /** u8: instruction length in bytes. */
  length: 2,
  /** u32: EIP of the instruction. */
  eip: 4,
  /** u16 each: addresses of the registers of operands 0 and 1. */
  register0: 8,
  register1: 10,
  /** u16 each: addresses of base and index register (the always-zero slot when missing). */
  base: 12,
  index: 14,
  /** u8: shift of the index. */
  shift: 16,
  displacement: 20,
  /** i32: immediate; of a direct branch the target EIP. */
  immediate: 24,
  /** u32: address of the target's op when it lies in the same page and is decoded, else 0. */
  link: 28,
} as const;

/** Handler numbers that are no instruction. */
export const PSEUDO = {
  /** The next instruction is for the evaluator. */
  evaluate: 0,
  /** The next instruction is for the processor. */
  system: 1,
  /** A breakpoint stands before the next instruction. */
  breakpoint: 2,
  /** The block goes on at `immediate`, by link or jump cache; not an instruction. */
  chain: 3,
} as const;
export const FIRST_HANDLER = 4;

/** Why the interpreter returned. */
export const EXIT = {
  budget: 0,
  evaluate: 1,
  system: 2,
  breakpoint: 3,
  /** EIP is a place that neither link nor jump cache knows; EXIT_OP is the op that went there. */
  lookup: 4,
} as const;
