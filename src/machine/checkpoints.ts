/**
 * A bounded ring of checkpoints for time travel: dense near the present, thinner the further they lie back. What a
 * checkpoint holds is opaque here; memory pages are shared between neighbours by those who make them.
 */

export interface Checkpoint<S> {
  /** Instruction count. */
  readonly count: number;
  readonly state: S;
}

export class Checkpoints<S> {
  /** In ascending order of count; the first is never thinned out. */
  private kept: Checkpoint<S>[] = [];

  /**
   * @param interval instructions between checkpoints, at least 1
   * @param most checkpoints kept, at least 4
   */
  constructor(
    readonly interval: number,
    readonly most = 64,
  ) {}

  get all(): readonly Checkpoint<S>[] {
    return this.kept;
  }

  /** The instruction count from which on the next checkpoint is due; `count` itself while there is none. */
  nextDue(count: number): number {
    const last = this.kept[this.kept.length - 1];
    return last === undefined ? count : last.count + this.interval;
  }

  /** Adds the newest; does nothing when one at this count or beyond it is there. */
  add(count: number, state: S): void {
    const last = this.kept[this.kept.length - 1];
    if (last !== undefined && last.count >= count) return;
    this.kept.push({ count, state });
    if (this.kept.length > this.most) this.thin();
  }

  /** The newest checkpoint at or before a count; undefined when the count lies before the first. */
  atOrBefore(count: number): Checkpoint<S> | undefined {
    return this.kept.findLast((checkpoint) => checkpoint.count <= count);
  }

  /** Forgets checkpoints after a count: the future has changed. */
  dropAfter(count: number): void {
    this.kept = this.kept.filter((checkpoint) => checkpoint.count <= count);
  }

  clear(): void {
    this.kept = [];
  }

  /** Removes the checkpoint whose removal widens the smallest gap relative to its age. */
  private thin(): void {
    const newest = this.kept[this.kept.length - 1]?.count ?? 0;
    let victim = 1;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 1; i < this.kept.length - 1; i++) {
      const before = this.kept[i - 1]?.count ?? 0;
      const after = this.kept[i + 1]?.count ?? 0;
      const weight = (after - before) / (newest - before);
      if (weight < least) {
        least = weight;
        victim = i;
      }
    }
    this.kept.splice(victim, 1);
  }
}
