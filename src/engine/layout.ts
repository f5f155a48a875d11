/** Where things lie in the machine's one linear memory: the state block, the fast arrays, the jump cache, the op arena, then RAM. */

/** The state block of the running processor (`CpuState`). */
export const STATE_BASE = 0x1000;

/** Words that the interpreter and the engine exchange at an exit; no part of the processor's state. */
export const EXIT_OP = 0x1800;
export const EXIT_BUDGET = 0x1804;
/** Jump-cache entries of another generation do not count. */
export const GENERATION = 0x1808;

/** Fast entries per array; the index is bits 12 to 23 of the linear address. */
export const FAST_ENTRIES = 4096;
/** Bytes of a fast entry: tag (u32, upper half kept zero), addend (u32 at 8), code map (u32 at 12). */
export const FAST_ENTRY_SIZE = 16;
const FAST_ARRAY_SIZE = FAST_ENTRIES * FAST_ENTRY_SIZE;

/** One array per access and privilege, so that a ring change switches arrays and drops nothing. */
export const FAST_USER_READ = 0x10000;
export const FAST_USER_WRITE = FAST_USER_READ + FAST_ARRAY_SIZE;
export const FAST_SUPERVISOR_READ = FAST_USER_WRITE + FAST_ARRAY_SIZE;
export const FAST_SUPERVISOR_WRITE = FAST_SUPERVISOR_READ + FAST_ARRAY_SIZE;
/** No page-aligned address equals it, so it never matches. */
export const FAST_INVALID_TAG = 1;
/** Added to the tag of a write entry whose page holds code: a store must look at the code map too. */
export const FAST_CODE_TAG = 2;

/** Direct-mapped code lookups: {eip, generation, op address, unused}, four u32 each; the index is the low bits of EIP. */
export const JUMP_CACHE = FAST_SUPERVISOR_WRITE + FAST_ARRAY_SIZE;
export const JUMP_CACHE_ENTRIES = 4096;
export const JUMP_CACHE_ENTRY_SIZE = 16;

/** Decoded instructions, OP_SIZE bytes each, up to the code maps. */
export const OP_ARENA = JUMP_CACHE + JUMP_CACHE_ENTRIES * JUMP_CACHE_ENTRY_SIZE;
export const OP_SIZE = 32;

/** Maps of decoded bytes, one byte per byte of a code page, so that stores beside code need not leave the fast path. */
export const CODE_MAPS = 0x400000;
export const CODE_MAP_COUNT = 256;

/** Host physical address 0. */
export const RAM_BASE = CODE_MAPS + CODE_MAP_COUNT * 4096;

/** WebAssembly pages are 64 KiB. */
export const WASM_PAGE = 0x10000;
