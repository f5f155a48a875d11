// Driving the workbench's user interface: commands, files, views, and waiting for what the screen shows.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { packagedForWorkbench } from '../../scripts/package.mjs';
import { out, sampleWorkspace } from '../../scripts/paths.mjs';
import { installVsix, startServer } from '../../scripts/workbench/server.mjs';
import { openBrowser } from './browser.mjs';

export interface Workbench {
  readonly page: Page;
  close(): Promise<void>;
}

const baseSettings = {
  'workbench.colorTheme': 'Default Dark Modern',
  'window.autoDetectColorScheme': false,
  'editor.minimap.enabled': false,
  // The terminal's text stands in the page only when it is drawn without the GPU.
  'terminal.integrated.gpuAcceleration': 'off',
};

/** A fresh workbench with the packaged extension installed and the sample workspace open. */
export async function openWorkbench(size: { width: number; height: number }): Promise<Workbench> {
  const home = mkdtempSync(join(tmpdir(), 'ringside-ui-'));
  await installVsix(home, await packagedForWorkbench());
  const server = await startServer({ home, settings: baseSettings });
  let browser: Browser | undefined;
  const close = async (): Promise<void> => {
    await browser?.close();
    await server.stop();
    rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  };
  try {
    const opened = await openBrowser(size);
    browser = opened.browser;
    const { page } = opened;
    await page.goto(`http://127.0.0.1:${server.port}/?${new URLSearchParams({ folder: sampleWorkspace }).toString()}`);
    // Keys that come before the first rows are lost.
    await page.locator('.explorer-folders-view .monaco-list-row').first().waitFor({ timeout: 60_000 });
    return { page, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Runs a command by its title through the palette. An extension's commands appear some seconds after the workbench: it tries again. */
export async function runCommand(page: Page, title: string): Promise<void> {
  for (const end = Date.now() + 30_000; ; ) {
    try {
      await page.keyboard.press('F1');
      await page.locator('.quick-input-widget .quick-input-box input').fill(`>${title}`, { timeout: 1500 });
      await page.locator('.quick-input-list .monaco-list-row', { hasText: title }).first().click({ timeout: 1500 });
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    await page.keyboard.press('Escape');
  }
}

/** Chooses an entry of an open pick list by its text. */
export async function pick(page: Page, text: string): Promise<void> {
  await page.locator('.quick-input-list .monaco-list-row', { hasText: text }).first().click();
}

/** Switches to a colour theme and waits until the workbench wears it. */
export async function colorTheme(page: Page, name: 'Light Modern' | 'Dark Modern'): Promise<void> {
  await runCommand(page, 'Preferences: Color Theme');
  await page.locator('.quick-input-widget .quick-input-box input').fill(name);
  await pick(page, name);
  await page.locator(name === 'Light Modern' ? '.monaco-workbench.vs' : '.monaco-workbench.vs-dark').waitFor();
}

/** Opens a file of the sample workspace from the Explorer, unfolding its folder. */
export async function openFile(page: Page, folder: string, name: string): Promise<void> {
  const rows = page.locator('.explorer-folders-view .monaco-list-row');
  if ((await rows.filter({ hasText: name }).count()) === 0) await rows.filter({ hasText: folder }).first().click();
  await rows.filter({ hasText: name }).first().dblclick();
  await page.locator('.tab.active', { hasText: name }).waitFor();
  await page.locator('.monaco-editor .view-line').first().waitFor();
}

/** Opens a view container of the activity bar. The item, not its link: a badge may cover the link. */
export async function openView(page: Page, title: string): Promise<void> {
  const item = page.locator('.activitybar .action-item', { has: page.locator(`a[aria-label^="${title}"]`) });
  if (!(await item.getAttribute('class'))?.includes('checked')) await item.click();
}

/** A section of the open view container, by its title. */
export const section = (page: Page, title: string): Locator =>
  page.locator('.split-view-view:has(> .pane)', {
    has: page.locator(`.pane-header h3.title:text-is("${title}"), .pane-header .title:text-is("${title}")`),
  });

/** Unfolds a section if it is folded and returns its rows, one a line, as soon as they match. */
export async function rowsOf(page: Page, title: string, expected: RegExp): Promise<string> {
  const pane = section(page, title);
  const header = pane.locator('.pane-header');
  if ((await header.getAttribute('aria-expanded')) === 'false') await header.click();
  for (const end = Date.now() + 15_000; ; await page.waitForTimeout(50)) {
    const rows = (await pane.locator('.monaco-list-row').allInnerTexts()).map((text) => text.replaceAll('\n', ' '));
    const text = rows.join('\n');
    if (expected.test(text)) return text;
    if (Date.now() > end) throw new Error(`The section ${title} shows nothing like ${expected}:\n${text}`);
  }
}

/** The number of the line that carries the arrow of the stopped session, as the editor's margin shows it. */
export async function stoppedLine(page: Page): Promise<number> {
  await page.locator('.debug-top-stack-frame-line').first().waitFor();
  // The decoration and the number of a line are siblings in layers that have the same `top`.
  const text = await page.evaluate(`(() => {
    const mark = document.querySelector('.debug-top-stack-frame-line');
    const top = mark?.closest('[style*="top"]')?.style.top;
    const margin = [...document.querySelectorAll('.margin-view-overlays > div')].find((line) => line.style.top === top);
    return margin?.querySelector('.line-numbers')?.textContent ?? '';
  })()`);
  return Number(text);
}

/**
 * Presses a key and measures in the page, frame by frame, until an expression of the page changes its value.
 * @returns milliseconds from the key's event to the first frame that shows the change
 */
export async function measureKey(page: Page, key: string, expression: string): Promise<number> {
  await page.evaluate(`(() => {
    const look = () => String(${expression});
    const before = look();
    let pressed;
    addEventListener('keydown', () => { pressed ??= performance.now(); }, { capture: true, once: true });
    window.ringsideMeasured = new Promise((done, fail) => {
      const end = performance.now() + 20000;
      const frame = (now) => {
        if (pressed !== undefined && look() !== before) done(performance.now() - pressed);
        else if (now > end) fail(new Error('nothing changed on the screen after ' + ${JSON.stringify(key)}));
        else requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    });
  })()`);
  await page.keyboard.press(key);
  return Number(await page.evaluate('window.ringsideMeasured'));
}

/** Keeps a picture of the window in out/screenshots/. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = join(out, 'screenshots');
  mkdirSync(folder, { recursive: true });
  // Pick lists fade out, and a resized terminal shows its size for a moment.
  await page.waitForTimeout(600);
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
