// The gallery of the demo page: models of a host's own list, on a server that takes its time, and models that a visitor brings.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Locator, Page } from 'playwright';
import { builtFolder } from '../support/builds/built';
import { chromiumUnavailable } from '../support/chromium';
import { openDemo, type DemoPage } from '../support/demo-page';
import type { FaultServer } from '../support/fault-server';
import { filesKept, serveSlowModels, slowModel, stallBehindOne } from '../support/slow-models';

const reason = chromiumUnavailable();
const path = (relative: string): string => fileURLToPath(new URL(`../../${relative}`, import.meta.url));
const FOLDER = path('test/fixtures/models/ternion-tiny-safetensors');

describe.skipIf(reason)(`models of the demo page${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let server: FaultServer;
  let demo: DemoPage;
  let page: Page;
  const button = (name: string) => page.getByRole('button', { name, exact: true });
  const gallery = () => page.getByRole('dialog', { name: 'Models' });
  const open = () =>
    page
      .getByRole('banner')
      .getByRole('button', { name: /^Models:/ })
      .click();
  const progress = (text: string | RegExp) => page.locator('#loading-text').filter({ hasText: text });
  /** The model of the gallery that is in use. */
  const inUse = async (): Promise<string> => {
    await open();
    const used = gallery().getByRole('article').filter({ hasText: 'in use' });
    const title = await used.getByRole('heading').innerText();
    await page.keyboard.press('Escape');
    return title;
  };
  const card = (title: string): Locator => gallery().getByRole('article', { name: title });

  beforeAll(async () => {
    server = await serveSlowModels();
    const list = [
      slowModel(server),
      { title: 'No Model', goodAt: 'Nothing.', licence: 'none', source: 'index.html' },
    ];
    const named = [{ ...list[0], title: 'Named Model' }];
    const built = await readFile(join(await builtFolder('demo'), 'index.html'), 'utf8');
    const files = {
      'list.json': JSON.stringify(list),
      'named.json': JSON.stringify(named),
      'named.html': built.replace('<head>', '<head><meta name="ternion-models" content="named.json" />'),
    };
    demo = await openDemo({ files, query: '?models=list.json' });
    ({ page } = demo);
  });
  afterAll(async () => {
    await demo.close();
    await server.close();
    expect(demo.errors).toEqual([]);
  });

  it('are listed with what they take, and say whether they fit before they are downloaded', async () => {
    await open();
    await card('Ternion Tiny').getByText('in use').waitFor();
    // The sizes of the files, in decimal megabytes.
    expect(await card('Ternion Tiny').innerText()).toContain('MIT · 1.4 MB to download · 4.5 MB on the GPU');
    expect(await card('Slow Model').innerText()).toContain('MIT · 1.4 MB to download');
    await button('Check all on this device').click();
    await card('Slow Model').getByText('Fits with a context of 1,024 tokens.').waitFor();
    await card('No Model').getByText('the server answered with a web page').waitFor();
    expect(server.bytesSent).toBeLessThan(1.1 * (1 << 20));
    await page.keyboard.press('Escape');
  });

  it('can be paused amid their download, and go on from there', async () => {
    server.fault = stallBehindOne;
    await open();
    await gallery().getByRole('textbox').fill(`${server.origin}/paused.gguf`);
    await page.keyboard.press('Enter');
    // All of the first piece has come.
    await progress(/^Downloading 1.05 MB of 1.45 MB, .+ left, at .+ [kM]B\/s$/).waitFor();
    // And it is kept when the rest is asked for.
    while (server.timesAsked('/paused.gguf')[0] === 0) await page.waitForTimeout(20);
    await button('Pause').click();
    await progress('Paused: 1 MB of 1.4 MB are here.').waitFor();
    expect(await button('Resume').evaluate((element) => element === document.activeElement)).toBe(true);
    // The model that is there goes on.
    expect(await demo.ask('Spell planet.', 1)).toBe('p-l-a-n-e-t');
    server.fault = () => undefined;
    // With the list of what is kept open, though no hand could reach the button: it follows the download.
    await open();
    const kept = gallery().getByRole('listitem').filter({ hasText: 'paused.gguf' });
    await kept.getByText('1 MB of 1.4 MB').waitFor();
    await button('Resume').dispatchEvent('click');
    await progress(/./).waitFor({ state: 'hidden' });
    await kept.getByText('1.4 MB · paused.gguf', { exact: true }).waitFor();
    await page.keyboard.press('Escape');
    // What came before the pause was not sent again.
    expect(server.timesSent('/paused.gguf')).toEqual([1, 1]);
  });

  it('are kept until they are deleted, which takes two clicks', async () => {
    await open();
    const kept = gallery().getByRole('listitem').filter({ hasText: 'paused.gguf' });
    expect(await kept.innerText()).toContain('1.4 MB');
    await kept.getByRole('button', { name: 'Delete' }).click();
    await kept.getByRole('button', { name: 'Really delete' }).click();
    await kept.waitFor({ state: 'detached' });
    await gallery().getByText('paused.gguf was deleted.').waitFor();
    await page.keyboard.press('Escape');
  });

  it('can be cancelled, of which nothing stays, and the one that is there goes on', async () => {
    server.fault = stallBehindOne;
    await open();
    await button('Load Slow Model').click();
    await progress(/^Downloading 1.* MB of/).waitFor();
    // With the list open, though no hand could reach the button: what is no longer here is seen without another look.
    await open();
    await gallery().getByRole('listitem').filter({ hasText: 'slow.gguf' }).waitFor();
    await button('Cancel').dispatchEvent('click');
    await progress(/./).waitFor({ state: 'hidden' });
    server.fault = () => undefined;
    // Of the first piece, which the check of the model has kept, nothing stays either.
    await gallery().getByRole('listitem').filter({ hasText: 'slow.gguf' }).waitFor({ state: 'detached' });
    // Two files of the built-in model: its data, and what of them is sound.
    expect(await page.evaluate(filesKept)).toBe(2);
    await page.keyboard.press('Escape');
    expect(await demo.ask('Spell planet.', 1)).toBe('p-l-a-n-e-t');
  });

  it('are kept for good where the browser promises it, which it may not', async () => {
    await open();
    for (const granted of [false, true]) {
      // Chromium decides by what it knows of a site and its visitor, which is not for a test to say.
      await page.evaluate((answer) => {
        StorageManager.prototype.persist = async () => answer;
        StorageManager.prototype.persisted = async () => answer;
      }, granted);
      await button('Keep for good').click();
      await gallery()
        .getByText(granted ? 'The browser has promised it.' : 'The browser did not promise it.')
        .waitFor();
      expect(await button('Keep for good').isVisible()).toBe(!granted);
    }
    expect(await gallery().getByText('The browser keeps them until you delete them.').isVisible()).toBe(true);
    // The button is gone, and the focus was on it.
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('kept-title');
    await page.keyboard.press('Escape');
  });

  it('load by an address that is pasted', async () => {
    await open();
    await gallery().getByRole('textbox').fill(`${server.origin}/slow.gguf`);
    await page.keyboard.press('Enter');
    await gallery().waitFor({ state: 'hidden' });
    await progress(/./).waitFor({ state: 'hidden' });
    expect(await inUse()).toBe('Slow Model');
    expect(await demo.ask('Spell planet.', 1)).toBe('p-l-a-n-e-t');
  });

  it('load from a folder that is dropped', async () => {
    const session = await page.context().newCDPSession(page);
    const data = { items: [], files: [FOLDER], dragOperationsMask: 1 };
    for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
      await session.send('Input.dispatchDragEvent', { type, x: 400, y: 300, data });
    await open();
    await card('Slow Model').getByText('in use').waitFor({ state: 'detached' });
    await gallery().getByText('About the model in use').click();
    // How the folder's weights are encoded; those of the built-in model are I2_S.
    expect(await gallery().locator('#model-facts').innerText()).toContain('PACKED');
    await page.keyboard.press('Escape');
  });

  it('come back on the next visit, and so do conversations', async () => {
    const chats = () => page.getByRole('banner').getByRole('button', { name: 'Chats', exact: true }).click();
    const kept = page.locator('#chats').getByRole('listitem').filter({ hasText: 'My name is Ravi.' });
    await button('New chat').click();
    await demo.ask('My name is Ravi.', 1);
    await chats();
    await kept.waitFor();
    await page.keyboard.press('Escape');
    await page.reload();
    await demo.ready();
    // The model that was loaded by its address last; the folder cannot be opened again by a page.
    expect(await inUse()).toBe('Slow Model');
    await chats();
    await kept.getByRole('button', { name: 'My name is Ravi.', exact: true }).click();
    expect(await page.getByRole('log').innerText()).toContain('My name is Ravi.');
    expect(await demo.answer(1).locator('.text').innerText()).toContain('Ravi');
    expect(await demo.ask('What is my name?', 2)).toBe('Your name is Ravi.');

    await chats();
    await kept.getByRole('button', { name: 'Delete' }).click();
    await kept.getByRole('button', { name: 'Really delete' }).click();
    await kept.waitFor({ state: 'detached' });
    await page.getByRole('checkbox', { name: 'Keep conversations on this device' }).uncheck();
    await page.getByText('None is kept yet.').waitFor();
    await page.keyboard.press('Escape');
    await button('New chat').click();
    await demo.ask('My name is Ravi.', 1);
    await chats();
    await page.getByText('None is kept yet.').waitFor();
    await page.keyboard.press('Escape');
  });

  it('are those that the page itself names, where its address names none', async () => {
    const other = await demo.browser.newPage();
    // Nothing is loaded then, and the list is there all the same.
    await other.addInitScript(() => Object.defineProperty(navigator, 'gpu', { value: undefined }));
    await other.goto(new URL('named.html', demo.url).href);
    await other.locator('#models h3').nth(1).waitFor({ state: 'attached' });
    expect(await other.locator('#models h3').allTextContents()).toEqual(['Ternion Tiny', 'Named Model']);
    await other.close();
  });
});
