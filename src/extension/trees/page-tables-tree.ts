/** The Page tables tree: guest entries with the shadow or nested entry beside each, what changed since the last stop marked. */
import * as vscode from 'vscode';
import type { PageRow, PageTablesData } from '../../dap/custom-requests';
import { count, hex } from '../format';
import { showMemoryCommand } from '../go-to';
import type { LiveSession } from '../live-session';
import { type TreeRow, treeRow } from './session-tree';

const MOST_ROWS = 400;

export async function pageTableRows(live: LiveSession): Promise<{ rows: TreeRow[]; description: string } | undefined> {
  const data = await live.request('ringside/pageTables', { most: MOST_ROWS });
  if (data === undefined) return undefined;
  const rows = data.rows.map((row) => pageRow(data, row));
  if (!data.paging)
    rows.unshift(treeRow('paging.off', 'Paging is off', 'linear addresses are guest-physical addresses', {}));
  if (data.omitted > 0) rows.push(treeRow('omitted', `${count(data.omitted)} more rows`, 'not shown', {}));
  const root = `CR3 gpa ${hex(data.guestRoot)}`;
  const second = data.secondRoot === undefined ? '' : ` → ${data.kind} hpa ${hex(data.secondRoot)}`;
  return { rows, description: data.paging || second !== '' ? root + second : 'paging off' };
}

function pageRow(data: PageTablesData, row: PageRow): TreeRow {
  const id = `page.${row.gva}`;
  const range = row.length > 4096 ? `${hex(row.gva)} – ${hex(row.gva + row.length - 1)}` : hex(row.gva);
  const second =
    data.kind === 'none'
      ? ''
      : row.second === undefined
        ? ` │ ${data.kind}: — until touched`
        : ` │ ${data.kind} → hpa ${hex(row.second.hpa)} ${row.second.flags}`;
  const children = [
    treeRow(`${id}.guest`, 'Guest entry', `${hex(row.guest.entry)} at gpa ${hex(row.guest.entryAddress)}`, {
      command: showMemoryCommand(`vm0/gpa/0x${row.guest.entryAddress.toString(16)}`),
    }),
    treeRow(`${id}.gpa`, 'Guest-physical address', hex(row.guest.gpa), {
      command: showMemoryCommand(`vm0/gpa/0x${row.guest.gpa.toString(16)}`),
    }),
  ];
  if (row.second !== undefined) {
    children.push(
      treeRow(
        `${id}.second`,
        data.kind === 'nested' ? 'EPT entry' : 'Shadow entry',
        `${hex(row.second.entry)} at hpa ${hex(row.second.entryAddress)}`,
        { command: showMemoryCommand(`host/hpa/0x${row.second.entryAddress.toString(16)}`) },
      ),
    );
  }
  const hpa = row.second?.hpa ?? row.hpa;
  if (hpa !== undefined) {
    children.push(
      treeRow(`${id}.hpa`, 'Host-physical address', hex(hpa), {
        command: showMemoryCommand(`host/hpa/0x${hpa.toString(16)}`),
      }),
    );
  }
  const now = `→ gpa ${hex(row.guest.gpa)} ${row.guest.flags}${second}`;
  const story = row.changed ? `Changed since the last stop. Was: ${row.was ?? 'not mapped'}` : 'As at the last stop';
  return treeRow(id, range, now, {
    children,
    icon: row.changed
      ? new vscode.ThemeIcon('circle-filled', new vscode.ThemeColor('ringside.changed'))
      : new vscode.ThemeIcon('circle-outline'),
    tooltip: `gva ${range}\n${now}\n${story}`,
    spoken: row.changed ? 'changed' : '',
  });
}
