/** The Ring transitions tree: the newest changes of privilege first, each leading to its source line. */
import * as vscode from 'vscode';
import { count, hex, OWNER_COLOR, ring, shortLocation } from '../format';
import { goToCommand } from '../go-to';
import type { LiveSession } from '../live-session';
import { type TreeRow, treeRow } from './session-tree';

/** Rows asked for at a stop; older ones stay in the event stream. */
const SHOWN = 200;

export async function transitionRows(live: LiveSession): Promise<{ rows: TreeRow[]; description: string } | undefined> {
  const data = await live.request('ringside/transitions', { most: SHOWN });
  if (data === undefined) return undefined;
  const rows = data.rows.map((row) => {
    const place = row.location === undefined ? hex(row.address) : shortLocation(row.location);
    const inward = row.to < row.from;
    return treeRow(
      `ring.${row.index}`,
      `${ring(row.from)} → ${ring(row.to)}`,
      `${row.cause} · ${place} · @${count(row.position.count)}`,
      {
        icon: new vscode.ThemeIcon(
          inward ? 'arrow-down' : 'arrow-up',
          new vscode.ThemeColor(row.to === 3 ? OWNER_COLOR.user : OWNER_COLOR.kernel),
        ),
        command: goToCommand(row.location, row.address),
        tooltip: `${row.cause} at ${hex(row.address)}${row.location?.symbol === undefined ? '' : ` (${row.location.symbol})`}, guest instruction ${count(row.position.count)}`,
      },
    );
  });
  return { rows, description: `${count(data.total)} total` };
}
