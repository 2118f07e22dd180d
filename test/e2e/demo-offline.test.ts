// The built demo after its first visit: it opens, and its model answers, where there is no network any more.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Browser, Page } from 'playwright';
import { build } from 'vite';
import { chromiumUnavailable, launchChromium, NO_TIMEOUT } from '../support/chromium';
import { serveFolders, type Served } from '../support/static-server';

const reason = chromiumUnavailable();

describe.skipIf(reason)(`the demo without a network${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let browser: Browser;
  let folder: string;
  let server: Served;
  let page: Page;

  const ready = (): Promise<void> =>
    page.getByRole('button', { name: 'Send' }).and(page.locator(':enabled')).waitFor();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ternion-offline-demo-'));
    // Vite takes a build of a test for none that is published, and those have no service worker.
    const define = { 'import.meta.env.PROD': 'true' };
    await build({ configFile: 'vite.config.ts', logLevel: 'warn', define, build: { outDir: folder } });
    // As many static servers do.
    server = await serveFolders([folder], { vary: 'Origin' });
    browser = await launchChromium();
    page = await browser.newPage();
    page.setDefaultTimeout(NO_TIMEOUT);
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('opens and answers as it did with one', async () => {
    await page.goto(server.url);
    await ready();
    await page.evaluate(async () => {
      await navigator.serviceWorker.ready;
    });
    await server.close();
    await page.reload();
    await ready();
    await page.getByRole('textbox', { name: 'Message', exact: true }).fill('Count from 3 to 9.');
    await page.keyboard.press('Enter');
    const answer = page.getByRole('article', { name: 'Answer 1', exact: true });
    await answer
      .locator('summary')
      .filter({ hasText: /complete/ })
      .waitFor();
    expect(await answer.locator('.text').innerText()).toBe('3, 4, 5, 6, 7, 8, 9');
  });
});
