/**
 * Write traces: which guest frames hold page tables that some shadow root was built from, and as what. Such a frame is
 * mapped read-only in every shadow root, so that the VMM sees each write.
 */

/** One way in which a guest frame is used. */
export interface TableUse {
  /** Id of the shadow root. */
  readonly root: number;
  /** Index of the directory entry that points to the frame as a page table; -1 when the frame is the directory itself. */
  readonly index: number;
}

export const DIRECTORY = -1;

export class WriteTrace {
  private readonly uses = new Map<number, TableUse[]>();

  /** Adds a use; true when the frame was not traced before, and so must be write-protected now. */
  add(gfn: number, use: TableUse): boolean {
    const known = this.uses.get(gfn);
    if (known === undefined) {
      this.uses.set(gfn, [use]);
      return true;
    }
    if (!known.some((u) => u.root === use.root && u.index === use.index)) known.push(use);
    return false;
  }

  /** Ends a use; without uses the frame is an ordinary one again, and its entries become writable at the next hidden fault. */
  remove(gfn: number, use: TableUse): void {
    const left = (this.uses.get(gfn) ?? []).filter((u) => u.root !== use.root || u.index !== use.index);
    if (left.length === 0) this.uses.delete(gfn);
    else this.uses.set(gfn, left);
  }

  isTraced(gfn: number): boolean {
    return this.uses.has(gfn);
  }

  /** A copy: handling a write may end uses. */
  usesOf(gfn: number): TableUse[] {
    return [...(this.uses.get(gfn) ?? [])];
  }

  get frames(): readonly number[] {
    return [...this.uses.keys()];
  }

  save(): (readonly [gfn: number, uses: readonly TableUse[]])[] {
    return [...this.uses];
  }

  load(saved: readonly (readonly [gfn: number, uses: readonly TableUse[]])[]): void {
    this.uses.clear();
    for (const [gfn, uses] of saved) this.uses.set(gfn, [...uses]);
  }
}
