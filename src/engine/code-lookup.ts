/**
 * From EIP to op: asks for the fetch translation as the processor would for each page, remembers it for as long as the
 * TLB does, and fills the jump cache from which the interpreter finds ops by itself.
 *
 * A generation stands for one way to see code (mode, CPL, control registers). Jump-cache entries carry it, so going back
 * and forth between rings loses nothing; whatever may make a lookup wrong ends all generations at once.
 */
import type { EngineHost } from './access';
import type { CodeCache } from './code-cache';
import type { CodeMode } from './code-mode';
import { GENERATION, JUMP_CACHE, JUMP_CACHE_ENTRIES, JUMP_CACHE_ENTRY_SIZE } from './layout';
import type { HostMemory } from './memory';

interface Generation {
  readonly number: number;
  readonly mode: CodeMode;
  /** Linear page to host page, for pages that were fetched from and that the TLB has held ever since. */
  readonly pages: Map<number, number>;
}

export class CodeLookup {
  private readonly words: Uint32Array;
  private readonly generations = new Map<string, Generation>();
  private readonly fetched = new Set<number>();
  private current: Generation | undefined;
  private latest = 0;
  /** Raised when all generations end: the op at hand must be looked up again. */
  ends = 0;

  constructor(
    memory: HostMemory,
    private readonly host: EngineHost,
    private readonly cache: CodeCache,
  ) {
    this.words = new Uint32Array(memory.wasm.buffer);
  }

  /** Chooses the generation for a mode and everything else (`context`) that fetching depends on. */
  enter(mode: CodeMode, context: string): void {
    const key = `${mode.key} ${context}`;
    let generation = this.generations.get(key);
    if (generation === undefined) {
      generation = { number: ++this.latest, mode, pages: new Map() };
      this.generations.set(key, generation);
    }
    this.current = generation;
    this.words[GENERATION >> 2] = generation.number;
  }

  /** True when `enter` must be called before the next lookup. */
  get ended(): boolean {
    return this.current === undefined;
  }

  /** No lookup made so far is good any more. */
  end(): void {
    this.generations.clear();
    this.fetched.clear();
    this.current = undefined;
    this.ends++;
    // No generation has number 0, so the interpreter finds nothing until the next `enter`.
    this.words[GENERATION >> 2] = 0;
  }

  /** The TLB has dropped these linear pages: code in them must be translated anew at its next instruction. */
  droppedLinear(firstPage: number, pageCount: number): void {
    if (this.fetched.size === 0) return;
    if (pageCount > this.fetched.size) {
      for (const page of this.fetched) {
        if (page >= firstPage && page < firstPage + pageCount) return this.end();
      }
      return;
    }
    for (let page = firstPage; page < firstPage + pageCount; page++) {
      if (this.fetched.has(page)) return this.end();
    }
  }

  /**
   * The op at an EIP, or 0 when the instruction must be fetched and evaluated by itself.
   * @throws what translating the fetch throws
   */
  find(eip: number): number {
    const generation = this.current;
    if (generation === undefined) throw new Error('CodeLookup.find needs a generation; call enter first.');
    const { mode } = generation;
    if (eip > mode.codeLimit) return 0;
    const linear = (mode.codeBase + eip) >>> 0;
    const page = linear >>> 12;
    let hostPage = generation.pages.get(page);
    if (hostPage === undefined) {
      const translation = this.host.translate(linear, 'fetch', false);
      // Translating may have evicted another code page and ended this generation.
      if (this.current !== generation || !translation.fast) return 0;
      hostPage = translation.hpa >>> 12;
      generation.pages.set(page, hostPage);
      this.fetched.add(page);
    }
    const epoch = this.cache.epoch;
    const op = this.cache.find(hostPage * 4096 + (linear & 0xfff), eip, mode);
    if (this.cache.epoch !== epoch) {
      // The arena was full and began anew: what the jump cache holds is dead.
      this.end();
      return 0;
    }
    if (op !== 0) this.remember(eip, generation.number, op);
    return op;
  }

  private remember(eip: number, generation: number, op: number): void {
    const at = (JUMP_CACHE + (eip % JUMP_CACHE_ENTRIES) * JUMP_CACHE_ENTRY_SIZE) >> 2;
    this.words[at] = eip;
    this.words[at + 1] = generation;
    this.words[at + 2] = op;
  }
}
