// The gallery of the demo page: models of a host's own list, on a server that takes its time, and models that a visitor brings.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Locator, Page } from 'playwright';
import { chromiumUnavailable } from '../support/chromium';
import { openDemo, type DemoPage } from '../support/demo-page';
import { FaultServer } from '../support/fault-server';

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
    // As large as the built-in model, which it is: a piece of 1 MiB, and a rest.
    const bytes = await readFile(path('public/models/ternion-tiny-i2_s.gguf'));
    server = await FaultServer.start({ '/slow.gguf': { bytes, etag: '"one"' } });
    const list = [
      {
        title: 'Slow Model',
        goodAt: 'Taking its time.',
        licence: 'MIT',
        source: `${server.origin}/slow.gguf`,
        downloadBytes: bytes.length,
      },
      { title: 'No Model', goodAt: 'Nothing.', licence: 'none', source: 'index.html' },
    ];
    demo = await openDemo({ files: { 'list.json': JSON.stringify(list) }, query: '?models=list.json' });
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
    // The first piece comes, or was here; of the rest only 128 KiB do.
    server.fault = ({ range }) =>
      range && range[0] >= 1 << 20 ? { stallAfter: 128 << 10, bytesPerSecond: 4e5 } : { bytesPerSecond: 4e6 };
    await open();
    await button('Load Slow Model').click();
    await progress(/^Downloading 1.* MB of 1.4.* MB.*, at .+ [kM]B\/s$/).waitFor();
    await button('Pause').click();
    await progress('Paused: 1.2 MB of 1.4 MB are here.').waitFor();
    expect(await button('Resume').evaluate((element) => element === document.activeElement)).toBe(true);
    // The model that is there goes on.
    expect(await demo.ask('Spell planet.', 1)).toBe('p-l-a-n-e-t');
    server.fault = () => undefined;
    server.exchanges.length = 0;
    await button('Resume').click();
    await progress(/./).waitFor({ state: 'hidden' });
    expect(await inUse()).toBe('Slow Model');
    // What came before was not asked for again.
    expect(server.timesAsked('/slow.gguf')).toEqual([0, 1]);
    expect(server.bytesSent).toBeLessThan(1 << 20);
  });

  it('are kept until they are deleted, which takes two clicks', async () => {
    await open();
    const kept = gallery().getByRole('listitem').filter({ hasText: 'slow.gguf' });
    expect(await kept.innerText()).toContain('1.4 MB');
    await kept.getByRole('button', { name: 'Delete' }).click();
    await kept.getByRole('button', { name: 'Really delete' }).click();
    await kept.waitFor({ state: 'detached' });
    await gallery().getByText('Slow Model was deleted.').waitFor();
    await page.keyboard.press('Escape');
  });

  it('can be cancelled, and the one that is there stays', async () => {
    server.fault = ({ range }) =>
      range && range[0] >= 1 << 20 ? { stallAfter: 128 << 10, bytesPerSecond: 4e5 } : {};
    await open();
    await button('Load Slow Model').click();
    await progress(/^Downloading 1.* MB of/).waitFor();
    // With the list open, though no hand could reach the button: what the download writes as it ends is seen without another look.
    await open();
    await button('Cancel').dispatchEvent('click');
    await progress(/./).waitFor({ state: 'hidden' });
    server.fault = () => undefined;
    await gallery().getByText('1 MB of 1.4 MB').waitFor();
    await page.keyboard.press('Escape');
    expect(await demo.ask('Spell planet.', 1)).toBe('p-l-a-n-e-t');
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
});
