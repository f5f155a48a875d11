// A user's first minutes, by mouse and keyboard: the installed .vsix, F5, steps, breakpoints, every tree, every technique.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sampleWorkspace } from '../../../scripts/paths.mjs';
import {
  colorTheme,
  measureKey,
  openFile,
  openView,
  openWorkbench,
  pick,
  rowsOf,
  runCommand,
  screenshot,
  section,
  stoppedLine,
  type Workbench,
} from '../ui';

const kernel = readFileSync(join(sampleWorkspace, 'minikernel', 'kernel.asm'), 'utf8').split('\n');
const lineOf = (pattern: RegExp): number => kernel.findIndex((line) => pattern.test(line)) + 1;
const entry = lineOf(/mov\s+esp,\s*BOOT_STACK_TOP/);

/** Where the arrow stands, as an expression of the page: it changes when the decoration moves. */
const arrow = `document.querySelector('.debug-top-stack-frame-line')?.closest('[style*="top"]')?.style.top`;
const machineRows = `[...document.querySelectorAll('.pane .monaco-list-row')].map((row) => row.innerText).join('|')`;

const measured = (what: string, ms: number): void => console.log(`measured: ${what} ${Math.round(ms)} ms`);

describe.sequential('first light', () => {
  let workbench: Workbench;
  beforeAll(async () => {
    workbench = await openWorkbench({ width: 1400, height: 900 });
  });
  afterAll(async () => {
    await workbench?.close();
  });

  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await screenshot(workbench.page, `failed ${task.name}`);
  });

  it('opens the guest kernel, highlighted', async () => {
    const { page } = workbench;
    await openFile(page, 'minikernel', 'kernel.asm');
    await page.locator('.statusbar-item', { hasText: 'NASM (Ringside)' }).waitFor();
    await expect
      .poll(() =>
        page.evaluate(`new Set([...document.querySelectorAll('.view-line span span')].map((s) => s.className)).size`),
      )
      .toBeGreaterThan(3);
  });

  it('F5 without a launch.json stands at the entry', async () => {
    const { page } = workbench;
    // Run and Debug opens itself only at the second stop; opened before, its first scope unfolds.
    await openView(page, 'Run and Debug');
    await page.locator('.monaco-editor .view-line').first().click();
    measured('F5 to the first stopped-line decoration', await measureKey(page, 'F5', arrow));
    expect(await stoppedLine(page)).toBe(entry);
    await page.locator('.debug-variables .monaco-list-row', { hasText: /eax/i }).first().waitFor();
    await page.locator('.debug-call-stack .monaco-list-row', { hasText: 'kernel.asm' }).first().waitFor();
    await screenshot(page, '01 entry');
  });

  it('F10 moves to the next line', async () => {
    const { page } = workbench;
    measured('F10 to the moved stopped-line decoration', await measureKey(page, 'F10', arrow));
    expect(await stoppedLine(page)).toBe(entry + 1);
  });

  it('a breakpoint clicked into the margin stops the guest', async () => {
    const { page } = workbench;
    const target = lineOf(/mov\s+fs,\s*ax/);
    const number = page.locator('.margin-view-overlays .line-numbers', { hasText: new RegExp(`^${target}$`) });
    const box = await number.boundingBox();
    if (box === null) throw new Error(`Line ${target} is not on the screen.`);
    await page.mouse.click(box.x - 12, box.y + box.height / 2);
    await page.locator('.codicon-debug-breakpoint').first().waitFor();
    await page.keyboard.press('F5');
    await expect.poll(() => stoppedLine(page)).toBe(target);
    await screenshot(page, '02 breakpoint');
  });

  it('the Machine tree shows ring, owner and place, and follows a step', async () => {
    const { page } = workbench;
    await openView(page, 'Ringside');
    await rowsOf(page, 'Machine', /vCPU 0 ?K ring 0/);
    measured('F10 to the Machine tree painted', await measureKey(page, 'F10', machineRows));
    await screenshot(page, '03 machine');
  });

  it('runs to ring 3 under hw + nested and shows every tree', async () => {
    const { page } = workbench;
    await page.keyboard.press('Shift+F5');
    await page.locator('.debug-toolbar').waitFor({ state: 'hidden' });
    await openView(page, 'Explorer');
    await openFile(page, 'minikernel', 'user.asm');
    const user = readFileSync(join(sampleWorkspace, 'minikernel', 'user.asm'), 'utf8').split('\n');
    const target = user.findIndex((line) => /^line_setup:/.test(line)) + 2;
    const number = page.locator('.margin-view-overlays .line-numbers', { hasText: new RegExp(`^${target}$`) });
    const box = await number.boundingBox();
    if (box === null) throw new Error(`Line ${target} is not on the screen.`);
    await page.mouse.click(box.x - 12, box.y + box.height / 2);
    await openFile(page, 'minikernel', 'kernel.asm');
    await runCommand(page, 'Ringside: Debug Guest Under');
    await pick(page, 'hw + nested');
    await expect.poll(() => stoppedLine(page)).toBe(entry);
    // Past the breakpoint of the earlier test, to the one in user.asm.
    await page.keyboard.press('F5');
    await expect.poll(() => stoppedLine(page)).not.toBe(entry);
    await page.keyboard.press('F5');
    await page.locator('.tab.active', { hasText: 'user.asm' }).waitFor();
    expect(await stoppedLine(page)).toBe(target);
    await openView(page, 'Ringside');
    await rowsOf(page, 'Machine', /U ring 3.*non-root/);
    await rowsOf(page, 'Ring transitions', /K 0 → U 3/);
    await rowsOf(page, 'VM exits', /30 I\/O instruction/);
    await rowsOf(page, 'Page tables', /→ gpa .*nested → hpa/);
    await screenshot(page, '04 trees dark');
  });

  it('a click on a VM exit leads to the guest source line', async () => {
    const { page } = workbench;
    const exits = section(page, 'VM exits');
    await exits.locator('.monaco-list-row').first().click();
    const row = exits.locator('.monaco-list-row[aria-level="2"]', { hasText: '.asm:' }).first();
    const place = /([a-z]+\.asm):(\d+)/.exec(await row.innerText());
    await row.click();
    await page.locator('.tab.active', { hasText: place?.[1] ?? 'no place' }).waitFor();
    await page.locator('.statusbar-item', { hasText: `Ln ${place?.[2]},` }).waitFor();
  });

  it('the same in light, and in a narrow window', async () => {
    const { page } = workbench;
    await colorTheme(page, 'Light Modern');
    await screenshot(page, '05 trees light');
    await page.setViewportSize({ width: 720, height: 900 });
    await rowsOf(page, 'Machine', /vCPU 0/);
    await screenshot(page, '06 narrow');
    await page.setViewportSize({ width: 1400, height: 900 });
    await colorTheme(page, 'Dark Modern');
  });

  it("runs to the end and prints the guest's output in its terminal", async () => {
    const { page } = workbench;
    await runCommand(page, 'Remove All Breakpoints');
    await page.keyboard.press('F5');
    await page.locator('.debug-toolbar').waitFor({ state: 'hidden', timeout: 30_000 });
    await expect.poll(() => page.locator('.xterm-rows').first().innerText()).toMatch(/both processes have ended/);
    await screenshot(page, '07 terminal');
  });

  it('steps into the hypervisor: its source, the current step, its values', async () => {
    const { page } = workbench;
    await openView(page, 'Explorer');
    await openFile(page, 'minikernel', 'kernel.asm');
    await runCommand(page, 'Ringside: Debug Guest Under');
    await pick(page, 'trap + shadow');
    await expect.poll(() => stoppedLine(page)).toBe(entry);
    await page.keyboard.press('F10');
    await expect.poll(() => stoppedLine(page)).toBe(entry + 1);
    await openView(page, 'Run and Debug');
    // LGDT in a deprivileged kernel faults into the VMM.
    await runCommand(page, 'Debug: Step Into Target');
    await pick(page, 'VMM');
    await page.locator('.tab.active', { hasText: '.ts' }).waitFor();
    await page.locator('.debug-top-stack-frame-line').waitFor();
    await page.locator('.debug-variables .monaco-list-row', { hasText: 'Handler step' }).waitFor();
    await page.locator('.debug-call-stack .monaco-list-row', { hasText: 'kernel.asm' }).first().waitFor();
    await screenshot(page, '08 inside the hypervisor');
    await page.keyboard.press('Shift+F5');
    await page.locator('.debug-toolbar').waitFor({ state: 'hidden' });
  });

  it('stops at a breakpoint clicked into the disassembly', async () => {
    const { page } = workbench;
    await page.locator('.tab', { hasText: 'kernel.asm' }).click();
    await runCommand(page, 'Ringside: Debug Guest Under');
    await pick(page, 'native');
    await expect.poll(() => stoppedLine(page)).toBe(entry);
    await openView(page, 'Run and Debug');
    await page.locator('.debug-call-stack .monaco-list-row', { hasText: 'start' }).click({ button: 'right' });
    // A menu that has just opened takes no click yet, but it takes keys.
    await page.getByRole('menuitem', { name: 'Open Disassembly View' }).hover();
    await page.keyboard.press('Enter');
    const target = page.locator('.disassembly-view .monaco-list-row', { hasText: 'lgdt' });
    await target.waitFor();
    const box = await target.boundingBox();
    if (box === null) throw new Error('LGDT is not on the screen.');
    // The instruction stands at the foot of a row that begins with its source line.
    await page.mouse.click(box.x + 9, box.y + box.height - 9);
    await target.locator('.codicon-debug-breakpoint').waitFor();
    await page.keyboard.press('F5');
    await target.locator('.codicon-debug-stackframe, .codicon-debug-breakpoint-stackframe').first().waitFor();
    await screenshot(page, '09 disassembly');
    await page.keyboard.press('Shift+F5');
    await page.locator('.debug-toolbar').waitFor({ state: 'hidden' });
  });
});
