// The demo page where a browser keeps nothing, or has too little room: models load and answer all the same, and the page says what is not kept.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BrowserContext, Page } from 'playwright';
import { chromiumUnavailable, NO_TIMEOUT } from '../support/chromium';
import { openDemo, type DemoPage } from '../support/demo-page';
import type { FaultServer } from '../support/fault-server';
import { filesKept, serveSlowModels, slowModel, stallBehindOne } from '../support/slow-models';

const reason = chromiumUnavailable();

/** In the scripts of a page and its workers: storage that refuses, as that of some private windows does. */
const REFUSE_STORAGE = `{
  const refuse = () => { throw new DOMException('The operation is insecure.', 'SecurityError'); };
  Object.defineProperty(globalThis, 'localStorage', { get: refuse, configurable: true });
  IDBFactory.prototype.open = refuse;
  StorageManager.prototype.getDirectory = async () => refuse();
}
`;

describe.skipIf(reason)(`the demo page without storage${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let server: FaultServer;
  let demo: DemoPage;

  beforeAll(async () => {
    server = await serveSlowModels();
    demo = await openDemo({
      files: { 'list.json': JSON.stringify([slowModel(server)]) },
      query: '?models=list.json',
    });
  });
  afterAll(async () => {
    await demo.close();
    await server.close();
    expect(demo.errors).toEqual([]);
  });

  /** Opens the demo in a window that shares nothing with others, once `prepare` has seen it. */
  async function openIn(
    context: BrowserContext,
    prepare: (page: Page) => Promise<void> = async () => {},
  ): Promise<{ page: Page; errors: string[] }> {
    context.setDefaultTimeout(NO_TIMEOUT);
    const page = await context.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    await prepare(page);
    await page.goto(demo.url);
    await page.getByRole('button', { name: 'Send' }).and(page.locator(':enabled')).waitFor();
    return { page, errors };
  }

  /**
   * Has Chromium refuse all that would make the demo's origin take more than so many bytes. `navigator.storage.estimate` does not know of
   * it, so the engine finds out when it writes.
   */
  async function limitStorage(page: Page, quotaSize: number): Promise<void> {
    const session = await page.context().newCDPSession(page);
    await session.send('Storage.overrideQuotaForOrigin', { origin: new URL(demo.url).origin, quotaSize });
  }

  it('load in a window where nothing can be kept, and are not said to be', async () => {
    const context = await demo.browser.newContext();
    context.setDefaultTimeout(NO_TIMEOUT);
    await context.route('**/*.js', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: REFUSE_STORAGE + (await response.text()) });
    });
    const { page: window, errors } = await openIn(context);
    const press = (name: string | RegExp): Promise<void> =>
      window.getByRole('button', { name, exact: true }).first().click();
    await window.getByRole('button', { name: 'Spell' }).or(window.locator('#chips button')).first().click();
    await window.locator('.answer:not(.busy)').waitFor();
    await press('Chats');
    await window.getByText('None is kept yet.').waitFor();
    await window.keyboard.press('Escape');

    server.fault = stallBehindOne;
    await press(/^Models:/);
    await window.getByText('Models are not kept: this browser keeps no files here').waitFor();
    expect(await window.getByRole('button', { name: 'Keep for good' }).isVisible()).toBe(false);
    await press('Load Slow Model');
    await window
      .locator('#loading-text')
      .filter({ hasText: /^Downloading .+ of / })
      .waitFor();
    await press('Pause');
    await window.getByText('Nothing of it could be kept here').first().waitFor();
    await context.close();
    server.fault = () => undefined;
    expect(errors).toEqual([]);
  });

  /** What the gallery, which is open, says of the model in use: whether it is kept. */
  async function keptAsSaid(page: Page): Promise<string> {
    await page.getByText('About the model in use').click();
    return page.locator('#model-facts div').filter({ hasText: 'On this device' }).locator('dd').innerText();
  }

  it('chats where there is no room for any file, and says that the storage is full', async () => {
    const context = await demo.browser.newContext();
    const { page, errors } = await openIn(context, (blank) => limitStorage(blank, 1000));
    await page.getByRole('textbox', { name: 'Message', exact: true }).fill('Spell planet.');
    await page.keyboard.press('Enter');
    const answer = page.getByRole('article', { name: 'Answer 1', exact: true });
    await answer.locator('summary').filter({ hasText: 'complete' }).waitFor();
    expect(await answer.locator('.text').innerText()).toBe('p-l-a-n-e-t');
    await page.getByRole('button', { name: /^Models:/ }).click();
    await page.getByText('Models are not kept: the storage of this site is full.').waitFor();
    expect(await keptAsSaid(page)).toBe('not kept: the storage of this site is full');
    await context.close();
    expect(errors).toEqual([]);
  });

  it('chats with a model that there is room for only in part, keeps nothing of it, and says so', async () => {
    const { page } = demo;
    const gallery = page.getByRole('dialog', { name: 'Models' });
    const kept = await page.evaluate(filesKept);
    const used = await page.evaluate(async () => (await navigator.storage.estimate()).usage ?? 0);
    // The first piece of the model, 1,048,576 bytes, has room, and the rest of its 1.4 MB has not.
    await limitStorage(page, used + 1.2e6);
    await page.getByRole('button', { name: /^Models:/ }).click();
    await gallery.getByRole('button', { name: 'Load Slow Model' }).click();
    await page
      .getByRole('alert')
      .getByText(
        'Slow Model is not kept on this device: the storage of this site is full. The next visit downloads it again.',
        { exact: true },
      )
      .waitFor();
    expect(await demo.ask('Spell planet.', 1)).toBe('p-l-a-n-e-t');
    await page.getByRole('button', { name: /^Models:/ }).click();
    await gallery.getByRole('article', { name: 'Slow Model' }).getByText('in use').waitFor();
    expect(await keptAsSaid(page)).toBe('not kept: the storage of this site is full');
    expect(await page.evaluate(filesKept)).toBe(kept);
  });
});
