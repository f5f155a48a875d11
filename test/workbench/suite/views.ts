// What the trees of the Ringside container show, read through the providers that feed them.
import { lineOf, minikernel } from './guest';
import { waitFor } from './recorder';
import { andStop, breakAt, command, launch, matches, pressF5, ringside, treeText, useRecorder } from './session';
import { say } from './witness';

export function views(): void {
  const recorder = useRecorder();

  /** Launches and runs to the first instruction of the library that the ring-3 programs share. */
  async function inUserMode(cpu: string, mmu: string): Promise<void> {
    const user = minikernel('user.asm');
    breakAt(user, await lineOf(user, /^\s+[a-z]/, /^line_setup:/));
    await launch(recorder, { cpu, mmu, stopOnEntry: false });
    await recorder.stop();
  }

  it('shows the machine at the entry', async () => {
    await pressF5(recorder);
    const text = await treeText(await ringside(), 'ringside.machine');
    matches(text, /vm0 .*native/, 'the VM');
    matches(text, /K ring 0/, 'owner and ring');
    matches(text, /start.*kernel\.asm:\d+/, 'where the vCPU stands');
  });

  it('shows ring transitions once the guest has reached ring 3', async () => {
    await inUserMode('native', 'none');
    const text = await treeText(await ringside(), 'ringside.transitions');
    matches(text, /K 0 → U 3 .*iret/i, 'the way out of the kernel');
    matches(await treeText(await ringside(), 'ringside.machine'), /U ring 3/, 'the owner in ring 3');
  });

  it('shows the page tables of a process, and none of a second mapping under native', async () => {
    await inUserMode('native', 'none');
    const text = await treeText(await ringside(), 'ringside.pageTables');
    matches(text, /0x4000_0000.*→ gpa 0x[0-9a-f_]+ .*U/, "the process's data page");
    if (/shadow|nested/.test(text)) throw new Error(`A second mapping under native:\n${text}`);
  });

  for (const [cpu, mmu] of [
    ['trap', 'shadow'],
    ['hw', 'shadow'],
    ['hw', 'nested'],
  ] as const)
    it(`shows VM exits and the ${mmu} entries beside the guest's under ${cpu}`, async () => {
      await inUserMode(cpu, mmu);
      const api = await ringside();
      matches(await treeText(api, 'ringside.exits'), /^\d+ .+\n {2}.+\.asm:\d+/m, 'exits with a guest source line');
      matches(await treeText(api, 'ringside.pageTables'), new RegExp(`${mmu} → hpa 0x`), 'the second mapping');
      matches(await treeText(api, 'ringside.machine'), new RegExp(`${cpu} \\+ ${mmu}`), 'the technique');
    });

  it('shows no VM exits under native', async () => {
    await inUserMode('native', 'none');
    const text = await treeText(await ringside(), 'ringside.exits');
    if (text !== '') throw new Error(`Exits without a hypervisor:\n${text}`);
  });

  it('marks the page-table entries that changed since the last stop', async () => {
    const paging = minikernel('traps.asm');
    await inUserMode('native', 'none');
    const api = await ringside();
    await treeText(api, 'ringside.pageTables');
    breakAt(paging, await lineOf(paging, /iret/));
    await andStop(recorder, 'continue');
    await treeText(api, 'ringside.pageTables');
    await andStop(recorder, 'continue');
    matches(await treeText(api, 'ringside.pageTables'), /^0x.* changed$/m, 'a changed entry');
  });

  it('paints the visible trees after a step', async () => {
    await pressF5(recorder);
    await command('ringside.machine.focus');
    const api = await ringside();
    const painted = new Map<string, number>();
    const registration = api.onDidPaint((view) => void painted.set(view, performance.now()));
    try {
      const { at } = await andStop(recorder, 'stepOver');
      const end = await waitFor('the Machine tree to be painted', () => painted.get('ringside.machine'), 5000);
      say(`measured: stopped to our trees painted (rows handed over) ${Math.round(end - at)} ms`);
    } finally {
      registration.dispose();
    }
  });
}
