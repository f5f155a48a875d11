/** The page tables of the current root: the guest's entry and, beside it, the shadow or nested entry that the hardware uses. */
import { flagText, type FoldedRow } from '../../debugger/page-rows';
import { CR0_PG } from '../../x86/paging-bits';
import type { PageRow } from '../custom-requests';
import type { HandlerGroup } from '../handler';

function pageRow({ first, length, change }: FoldedRow): PageRow {
  const { kind, entry, address, hpa } = first.second;
  const known = kind !== 'none' && entry !== undefined && address !== undefined && hpa !== undefined;
  return {
    gva: first.gva,
    length,
    guest: {
      entry: first.guestEntry,
      entryAddress: first.guestEntryAddress,
      flags: flagText(first.guestEntry, 'table'),
      gpa: first.gpa,
    },
    ...(known
      ? {
          second: {
            entry,
            entryAddress: address,
            flags: flagText(entry, kind === 'nested' ? 'nested' : 'table') + (first.stale === true ? ' stale' : ''),
            hpa,
          },
        }
      : {}),
    ...(hpa === undefined ? {} : { hpa }),
    changed: change !== undefined,
    ...(change?.was === undefined ? {} : { was: change.was }),
  };
}

export const pageTableRequests: HandlerGroup = {
  requests: {
    'ringside/pageTables': (context, args) => {
      const session = context.stopped();
      const { state } = session.view;
      const rows = session.pageTables.rows(session.view);
      const most = Math.max(0, Math.floor(args.most));
      const { mmu } = session.config;
      return {
        kind: mmu,
        paging: (state.cr0 & CR0_PG) !== 0,
        guestRoot: (state.cr3 & ~0xfff) >>> 0,
        ...(session.secondRoot === undefined ? {} : { secondRoot: session.secondRoot }),
        rows: rows.slice(0, most).map(pageRow),
        omitted: Math.max(0, rows.length - most),
      };
    },
  },
};
