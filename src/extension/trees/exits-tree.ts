/** The VM exits tree: by reason with counts and share, then the latest exits with qualification, handler and guest line. */
import * as vscode from 'vscode';
import type { ExitRow } from '../../dap/custom-requests';
import { count, groupAddresses, hex, OWNER_COLOR, share, shortLocation } from '../format';
import { goToCommand } from '../go-to';
import type { LiveSession } from '../live-session';
import { type TreeRow, treeRow } from './session-tree';

const LATEST_PER_REASON = 50;

export async function exitRows(live: LiveSession): Promise<{ rows: TreeRow[]; description: string } | undefined> {
  const data = await live.request('ringside/exits', { mostPerGroup: LATEST_PER_REASON });
  if (data === undefined) return undefined;
  const rows = data.groups.map((group) =>
    treeRow(
      `exit.${group.reason}.${group.reasonName}`,
      `${group.reason} ${group.reasonName}`,
      `${count(group.count)} · ${share(data.total === 0 ? 0 : group.count / data.total)}`,
      {
        icon: new vscode.ThemeIcon('sign-out', new vscode.ThemeColor(OWNER_COLOR.vmm)),
        children: group.latest.map(exitRow),
      },
    ),
  );
  return { rows, description: `${count(data.total)} total · ${share(data.cyclesShare)} of cycles` };
}

function exitRow(row: ExitRow): TreeRow {
  const place = row.location === undefined ? hex(row.address) : shortLocation(row.location);
  const detail = [groupAddresses(row.qualification), row.handler, place, `@${count(row.position.count)}`].filter(
    (part) => part !== '',
  );
  return treeRow(`exit.${row.index}`, groupAddresses(row.instruction ?? row.reasonName), detail.join(' · '), {
    command: goToCommand(row.location, row.address),
    tooltip: [
      `Exit reason ${row.reason}: ${row.reasonName}`,
      row.qualification === '' ? '' : `Qualification: ${groupAddresses(row.qualification)}`,
      `Handler: ${row.handler}`,
      `Guest instruction at ${hex(row.address)}${row.location?.symbol === undefined ? '' : ` (${row.location.symbol})`}`,
    ]
      .filter((line) => line !== '')
      .join('\n'),
  });
}
