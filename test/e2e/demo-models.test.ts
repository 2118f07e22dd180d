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

/** The built-in model with so many zeros behind it that there is a download to watch: 7 pieces of 1 MiB and a rest. */
async function paddedModel(): Promise<Uint8Array> {
  const model = await readFile(path('public/models/ternion-tiny-i2_s.gguf'));
  return Buffer.concat([model, Buffer.alloc(6 << 20)]);
}

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
  const card = (title: string): Locator => gallery().getByRole('article', { name: title });

  beforeAll(async () => {
    const bytes = await paddedModel();
    server = await FaultServer.start({ '/padded.gguf': { bytes, etag: '"one"' } });
    const list = [
      {
        title: 'Padded Model',
        goodAt: 'Taking its time.',
        licence: 'MIT',
        source: `${server.origin}/padded.gguf`,
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
    expect(await card('Padded Model').innerText()).toContain('MIT · 7.7 MB to download');
    await button('Check all on this device').click();
    await card('Padded Model').getByText('Fits with a context of 1,024 tokens.').waitFor();
    await card('No Model').getByText('the server answered with a web page').waitFor();
    expect(server.bytesSent).toBeLessThan(2 << 20);
    await page.keyboard.press('Escape');
  });

  it('load by an address that is pasted', async () => {
    await open();
    await gallery().getByRole('textbox').fill(`${server.origin}/padded.gguf`);
    await page.keyboard.press('Enter');
    await gallery().waitFor({ state: 'hidden' });
    await page.getByRole('status').filter({ hasText: 'is ready' }).waitFor();
    await open();
    await card('Padded Model').getByText('in use').waitFor();
    await page.keyboard.press('Escape');
    expect(await demo.ask('Spell planet.', 1)).toBe('p-l-a-n-e-t');
  });

  it('load from a folder that is dropped', async () => {
    const session = await page.context().newCDPSession(page);
    const data = { items: [], files: [FOLDER], dragOperationsMask: 1 };
    for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
      await session.send('Input.dispatchDragEvent', { type, x: 400, y: 300, data });
    await open();
    await card('Padded Model').getByText('in use').waitFor({ state: 'detached' });
    await gallery().getByText('About the model in use').click();
    console.log(await gallery().locator('#model-facts').innerText());
    await page.keyboard.press('Escape');
  });
});
