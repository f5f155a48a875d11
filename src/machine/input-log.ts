/**
 * Everything that reaches the machine from outside after its start, each entry at its exact place in the run: serial
 * bytes, interrupts and a user's edits. Replaying the log gives the same run again.
 */

/** A place between two instructions at which the run loop can stand. */
export interface InputPlace {
  /** Retired and emulated instructions. */
  readonly count: number;
  /** Halted ticks so far. */
  readonly idle: number;
  /** Deliveries and visits to the VMM so far: they take no instruction, so the count alone does not tell them apart. */
  readonly turns: number;
}

export type InputData =
  /** A byte arrives at the serial port. */
  | { readonly kind: 'serial'; readonly byte: number }
  /** An interrupt line (0 to 15) of the platform is pulsed. */
  | { readonly kind: 'interrupt'; readonly line: number }
  /** Guest memory is edited, by GPA. */
  | { readonly kind: 'memory'; readonly gpa: number; readonly bytes: Uint8Array }
  /** A guest register is edited: by a name of `REGISTER_EDITS` (register-edits.ts), to an unsigned 32-bit value. */
  | { readonly kind: 'register'; readonly register: string; readonly value: number };

export interface InputEntry {
  readonly at: InputPlace;
  readonly data: InputData;
}

export interface InputLogState {
  readonly entries: readonly InputEntry[];
  /** How many of them have been applied. */
  readonly applied: number;
}

/** Negative when a comes first. */
export function comparePlaces(a: InputPlace, b: InputPlace): number {
  return a.count - b.count || a.idle - b.idle || a.turns - b.turns;
}

export class InputLog {
  private entries: InputEntry[] = [];
  /** A save holds the array too, so that it must not change any more. */
  private saved = false;
  private applied = 0;

  /** The next entry to apply, or undefined. */
  get next(): InputEntry | undefined {
    return this.entries[this.applied];
  }

  get all(): readonly InputEntry[] {
    return this.entries;
  }

  /** Entries that lie ahead of the present: a new entry will drop them. */
  get ahead(): number {
    return this.entries.length - this.applied;
  }

  /** Adds an entry at the present place, which drops all that lie ahead. It counts as not yet applied. */
  add(entry: InputEntry): void {
    if (this.saved) this.entries = this.entries.slice(0, this.applied);
    else this.entries.length = this.applied;
    this.saved = false;
    this.entries.push(entry);
  }

  /** Marks the next entry as applied. */
  advance(): void {
    this.applied++;
  }

  save(): InputLogState {
    this.saved = true;
    return { entries: this.entries, applied: this.applied };
  }

  load(state: InputLogState): void {
    this.entries = [...state.entries];
    this.saved = false;
    this.applied = state.applied;
  }

  /** Goes back (or forward) to where `applied` entries had been applied, keeping those that lie ahead. */
  rewind(applied: number): void {
    this.applied = applied;
  }
}
