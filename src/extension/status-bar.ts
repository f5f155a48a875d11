/** The status bar item: owner and ring, technique, and the position of the focused vCPU. */
import * as vscode from 'vscode';
import { count, OWNER_LETTER } from './format';
import type { LiveSession } from './live-session';

export function createStatusBar(live: LiveSession): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('ringside.status', vscode.StatusBarAlignment.Left, 50);
  item.name = 'Ringside';
  item.command = 'ringside.machine.focus';
  item.tooltip = 'Ringside: show the machine';
  const update = async (): Promise<void> => {
    if (live.active === undefined) return item.hide();
    if (!live.stopped) {
      item.text = '$(vm-running) Ringside: running';
      return item.show();
    }
    const data = await live.request('ringside/machine', {});
    const vm = data?.vms[0];
    const vcpu = vm?.vcpus[0];
    if (data === undefined || vm === undefined || vcpu === undefined) return;
    const technique = data.mmu === 'none' ? data.cpu : `${data.cpu}+${data.mmu}`;
    item.text = `$(vm) ${OWNER_LETTER[vcpu.owner]} ring ${vcpu.ring} · ${vm.name} ${technique} · @${count(data.position.count)}`;
    item.show();
  };
  const subscription = live.onDidChange(() => void update());
  return vscode.Disposable.from(item, subscription);
}
