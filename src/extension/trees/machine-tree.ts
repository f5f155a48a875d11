/** The Machine tree: VM, vCPU with ring and owner, its descriptor tables, and the host's frames. */
import * as vscode from 'vscode';
import type { MachineData, MachineGroup } from '../../dap/custom-requests';
import { count, groupAddresses, hex, OWNER_COLOR, OWNER_LETTER, shortLocation } from '../format';
import { goToCommand } from '../go-to';
import type { LiveSession } from '../live-session';
import { type TreeRow, treeRow } from './session-tree';

export async function machineRows(live: LiveSession): Promise<{ rows: TreeRow[]; description: string } | undefined> {
  const data = await live.request('ringside/machine', {});
  if (data === undefined) return undefined;
  return {
    rows: [...data.vms.map((vm, i) => vmRow(data, vm, `vm${i}`)), groupRow('host', data.host)],
    description: `${data.profile} · ${data.memoryMiB} MiB`,
  };
}

type Vm = MachineData['vms'][number];
type Vcpu = Vm['vcpus'][number];

function vmRow(data: MachineData, vm: Vm, id: string): TreeRow {
  const technique = data.mmu === 'none' ? data.cpu : `${data.cpu} + ${data.mmu}`;
  return treeRow(id, vm.name, `${vm.guest} · ${technique}`, {
    expanded: true,
    icon: new vscode.ThemeIcon('vm'),
    tooltip: `Guest time ${count(data.guestTime)}, ${count(data.cycles)} cycles`,
    children: [
      ...vm.vcpus.map((vcpu, i) => vcpuRow(vcpu, `${id}.vcpu${i}`)),
      treeRow(`${id}.time`, 'Guest time', count(data.guestTime), { icon: new vscode.ThemeIcon('watch') }),
      treeRow(`${id}.cycles`, 'Cycles', count(data.cycles), { icon: new vscode.ThemeIcon('dashboard') }),
    ],
  });
}

function vcpuRow(vcpu: Vcpu, id: string): TreeRow {
  const root = vcpu.root === 'off' ? '' : ` · ${vcpu.root}`;
  const real = vcpu.realRing === vcpu.ring ? '' : ` (really ring ${vcpu.realRing})`;
  const place =
    vcpu.location === undefined
      ? hex(vcpu.instructionPointer)
      : `${vcpu.location.symbol ?? ''} ${shortLocation(vcpu.location)}`;
  return treeRow(id, vcpu.name, `${OWNER_LETTER[vcpu.owner]} ring ${vcpu.ring}${real}${root} · ${place.trim()}`, {
    expanded: true,
    icon: new vscode.ThemeIcon('circuit-board', new vscode.ThemeColor(OWNER_COLOR[vcpu.owner])),
    command: goToCommand(vcpu.location, vcpu.instructionPointer),
    children: vcpu.groups.map((group) => groupRow(`${id}.${group.id}`, group)),
  });
}

function groupRow(id: string, group: MachineGroup): TreeRow {
  return treeRow(id, group.label, groupAddresses(group.description), {
    children: group.rows.map((row, i) =>
      treeRow(`${id}.${i}`, groupAddresses(row.name), groupAddresses(row.value), {
        command: row.address === undefined ? undefined : goToCommand(undefined, row.address),
      }),
    ),
  });
}
