// A page of headless Chromium that shows the workbench.
import { chromium } from 'playwright-core';
import { ensureChromium } from '../../scripts/workbench/chromium.mjs';

/**
 * @param {{ width?: number, height?: number }} [size] of the window, in CSS pixels
 * @returns {Promise<{ browser: import('playwright-core').Browser, page: import('playwright-core').Page }>}
 */
export async function openBrowser({ width = 1280, height = 800 } = {}) {
  const options = await ensureChromium();
  const browser = await chromium.launch({
    ...options,
    // Otherwise playwright ends the process before the caller has cleaned up.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
  const context = await browser.newContext({ viewport: { width, height } });
  return { browser, page: await context.newPage() };
}
