/** Page tables as rows for people: equal neighbours folded, and what changed since the last stop told apart. */
import type { GuestView, PageTableRow } from '../machine/guest-view';
import { PTE_A, PTE_D, PTE_G, PTE_P, PTE_PCD, PTE_PS, PTE_PWT, PTE_U, PTE_W } from '../x86/paging-bits';

/** Neighbouring pages with contiguous targets and equal flags, as one row. */
export interface FoldedRow {
  readonly first: PageTableRow;
  readonly length: number;
  /** How the row stood at the last stop: undefined when it stood the same or no last stop is known. */
  readonly change: RowChange | undefined;
}

export type RowChange = { readonly was: string | undefined };

const ENTRY_FLAGS: readonly (readonly [string, number])[] = [
  ['P', PTE_P],
  ['W', PTE_W],
  ['U', PTE_U],
  ['PWT', PTE_PWT],
  ['PCD', PTE_PCD],
  ['A', PTE_A],
  ['D', PTE_D],
  ['PS', PTE_PS],
  ['G', PTE_G],
];

const EPT_FLAGS: readonly (readonly [string, number])[] = [
  ['R', 1],
  ['W', 2],
  ['X', 4],
  ['PS', 0x80],
  ['A', 0x100],
  ['D', 0x200],
];

/** Set flags of an entry by their letters. EPT entries are 64 bits wide with their flags in the low ones. */
export function flagText(entry: number, kind: 'table' | 'nested'): string {
  const low = entry % 0x1000;
  return (kind === 'nested' ? EPT_FLAGS : ENTRY_FLAGS)
    .filter(([, mask]) => (low & mask) !== 0)
    .map(([name]) => name)
    .join(' ');
}

const secondFlags = (row: PageTableRow): string =>
  row.second.entry === undefined ? '' : flagText(row.second.entry, row.second.kind === 'nested' ? 'nested' : 'table');

/** What makes two rows the same to a reader. */
function rowText(row: PageTableRow): string {
  const guest = `gpa 0x${row.gpa.toString(16)} ${flagText(row.guestEntry, 'table')}`;
  if (row.second.kind === 'none') return guest;
  const second =
    row.second.entry === undefined ? 'not filled' : `hpa 0x${(row.second.hpa ?? 0).toString(16)} ${secondFlags(row)}`;
  return `${guest}, ${row.second.kind} ${second}`;
}

/** The mapped pages at one stop, by GVA. */
export type PageSnapshot = ReadonlyMap<number, string>;

/** More pages than any guest of a lesson maps; views say what they leave out. */
const MOST_PAGES = 65536;

export class PageTableHistory {
  private current: { readonly rows: readonly PageTableRow[]; readonly snapshot: PageSnapshot } | undefined;
  private last: PageSnapshot | undefined;

  /** The guest runs on: what was looked at becomes the state to compare with. */
  advance(): void {
    if (this.current !== undefined) this.last = this.current.snapshot;
    this.current = undefined;
  }

  /** Something was edited at this stop: look again. */
  refresh(): void {
    this.current = undefined;
  }

  /** The rows now, folded; changes are against the last stop at which somebody looked. */
  rows(view: GuestView): readonly FoldedRow[] {
    if (this.current === undefined) {
      const rows = view.pageTables(MOST_PAGES);
      this.current = { rows, snapshot: new Map(rows.map((row) => [row.gva, rowText(row)])) };
    }
    const { rows, snapshot } = this.current;
    const { last } = this;
    const changeOf = (row: PageTableRow): RowChange | undefined => {
      if (last === undefined) return undefined;
      const was = last.get(row.gva);
      return was === snapshot.get(row.gva) ? undefined : { was };
    };
    const folded: FoldedRow[] = [];
    let first: PageTableRow | undefined;
    let previous: PageTableRow | undefined;
    let length = 0;
    let change: RowChange | undefined;
    for (const row of rows) {
      const here = changeOf(row);
      if (first !== undefined && previous !== undefined && follows(previous, row) && sameChange(change, here)) {
        length += row.size;
      } else {
        if (first !== undefined) folded.push({ first, length, change });
        first = row;
        length = row.size;
        change = here;
      }
      previous = row;
    }
    if (first !== undefined) folded.push({ first, length, change });
    return folded;
  }
}

/** Changed rows stand alone, so that each shows what it was. */
function sameChange(a: RowChange | undefined, b: RowChange | undefined): boolean {
  return a === undefined && b === undefined;
}

function follows(a: PageTableRow, b: PageTableRow): boolean {
  return (
    b.gva === a.gva + a.size &&
    b.size === a.size &&
    b.gpa === a.gpa + a.size &&
    a.guestEntry % 0x1000 === b.guestEntry % 0x1000 &&
    a.stale === b.stale &&
    (a.second.entry === undefined) === (b.second.entry === undefined) &&
    (a.second.hpa === undefined || b.second.hpa === a.second.hpa + a.size) &&
    secondFlags(a) === secondFlags(b)
  );
}
