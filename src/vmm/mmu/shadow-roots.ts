/**
 * The cache of shadow roots: one shadow page directory for each guest directory in recent use, so that a process switch
 * finds its shadow as it left it. Write traces keep the roots that are not loaded as true as the one that is.
 */

/** A shadow page table under a root's directory. */
export interface ShadowTable {
  /** HPA of its frame. */
  readonly hpa: number;
  /** Guest frame of the page table that it shadows; undefined when it splits a 4 MiB page or stands for paging off. */
  readonly guestTable: number | undefined;
  /** The guest directory entry that it was built under (P, R/W, U/S, PS and frame; not A and D). */
  readonly guestPde: number;
}

export interface ShadowRoot {
  readonly id: number;
  readonly key: string;
  /** Guest frame of the guest's directory; undefined for the identity root of a guest with paging off. */
  readonly directory: number | undefined;
  /** HPA of the shadow directory. */
  readonly pd: number;
  /** Shadow tables by directory index, 0 to 1023. */
  readonly tables: Map<number, ShadowTable>;
  /** Writes to the guest directory since the root was last loaded. */
  writes: number;
}

export interface RootsState {
  readonly nextId: number;
  readonly current: number | null;
  /** Least recently loaded first. */
  readonly roots: readonly (Omit<ShadowRoot, 'tables'> & {
    readonly tables: readonly (readonly [number, ShadowTable])[];
  })[];
}

/** Most roots kept; enough for the processes of a teaching kernel. */
export const ROOT_LIMIT = 16;
/** A directory that is not loaded and is written this often has become an ordinary page: its root is dropped. */
export const WRITES_BEFORE_DROP = 16;

export class ShadowRoots {
  /** In order of loading, the current one last. */
  private readonly byKey = new Map<string, ShadowRoot>();
  private readonly byId = new Map<number, ShadowRoot>();
  private nextId = 1;
  current: ShadowRoot | undefined;

  find(key: string): ShadowRoot | undefined {
    return this.byKey.get(key);
  }

  get(id: number): ShadowRoot | undefined {
    return this.byId.get(id);
  }

  add(key: string, directory: number | undefined, pd: number): ShadowRoot {
    const root: ShadowRoot = { id: this.nextId++, key, directory, pd, tables: new Map(), writes: 0 };
    this.byKey.set(key, root);
    this.byId.set(root.id, root);
    return root;
  }

  /** Makes a root the current one, and the last to be dropped. */
  load(root: ShadowRoot): void {
    this.byKey.delete(root.key);
    this.byKey.set(root.key, root);
    root.writes = 0;
    this.current = root;
  }

  remove(root: ShadowRoot): void {
    this.byKey.delete(root.key);
    this.byId.delete(root.id);
    if (this.current === root) this.current = undefined;
  }

  /** The root to drop when room is needed: the least recently loaded one that is not current. */
  get oldest(): ShadowRoot | undefined {
    for (const root of this.byKey.values()) if (root !== this.current) return root;
    return undefined;
  }

  get size(): number {
    return this.byKey.size;
  }

  get all(): readonly ShadowRoot[] {
    return [...this.byKey.values()];
  }

  save(): RootsState {
    return {
      nextId: this.nextId,
      current: this.current?.id ?? null,
      roots: this.all.map((root) => ({ ...root, tables: [...root.tables] })),
    };
  }

  restore(state: RootsState): void {
    this.byKey.clear();
    this.byId.clear();
    this.nextId = state.nextId;
    for (const saved of state.roots) {
      const root: ShadowRoot = { ...saved, tables: new Map(saved.tables) };
      this.byKey.set(root.key, root);
      this.byId.set(root.id, root);
    }
    this.current = state.current === null ? undefined : this.byId.get(state.current);
  }
}
