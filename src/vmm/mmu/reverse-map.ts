/** The reverse map (rmap): for each guest frame, every shadow leaf entry of every root that maps it. */

/** One shadow leaf entry and what it stands for. */
export interface ShadowLeaf {
  /** HPA of the 4-byte entry in its shadow page table. */
  readonly entry: number;
  /** Guest frame number that it maps. */
  readonly gfn: number;
  /** Id of the shadow root. */
  readonly root: number;
  readonly gva: number;
}

export class ReverseMap {
  private readonly byEntry = new Map<number, ShadowLeaf>();
  private readonly byFrame = new Map<number, Map<number, ShadowLeaf>>();

  /** Records a filled entry, replacing what the entry stood for before. */
  set(leaf: ShadowLeaf): void {
    this.delete(leaf.entry);
    this.byEntry.set(leaf.entry, leaf);
    const leaves = this.byFrame.get(leaf.gfn);
    if (leaves === undefined) this.byFrame.set(leaf.gfn, new Map([[leaf.entry, leaf]]));
    else leaves.set(leaf.entry, leaf);
  }

  delete(entry: number): void {
    const leaf = this.byEntry.get(entry);
    if (leaf === undefined) return;
    this.byEntry.delete(entry);
    const leaves = this.byFrame.get(leaf.gfn);
    leaves?.delete(entry);
    if (leaves?.size === 0) this.byFrame.delete(leaf.gfn);
  }

  leafAt(entry: number): ShadowLeaf | undefined {
    return this.byEntry.get(entry);
  }

  /** A copy, so that callers may change entries while they go through it. */
  leavesOf(gfn: number): ShadowLeaf[] {
    return [...(this.byFrame.get(gfn)?.values() ?? [])];
  }

  get size(): number {
    return this.byEntry.size;
  }

  save(): ShadowLeaf[] {
    return [...this.byFrame.values()].flatMap((leaves) => [...leaves.values()]);
  }

  load(leaves: readonly ShadowLeaf[]): void {
    this.byEntry.clear();
    this.byFrame.clear();
    for (const leaf of leaves) this.set(leaf);
  }
}
