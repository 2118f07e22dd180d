// What the demo's service worker does when a site is updated, or not to be reached, with a site of a few words in the demo's place.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Browser, Page } from 'playwright';
import { serviceWorker, shellOf } from '../../tools/vite/offline';
import { chromiumUnavailable, launchChromium, NO_TIMEOUT } from '../support/chromium';
import { serveFolders, type Served } from '../support/static-server';

const reason = chromiumUnavailable();

/** A site as a build makes it: the page shows its version, and loads a part of itself when it is clicked. */
function siteOf(version: string): Record<string, string> {
  return {
    'index.html': `<!doctype html><title>${version}</title><link rel="icon" href="data:," />
      <script type="module" src="./assets/main-${version}.js"></script>`,
    [`assets/main-${version}.js`]: `
      document.body.textContent = 'main ${version}';
      document.body.onclick = async () => {
        document.body.textContent = (await import('./part-${version}.js')).text;
      };
      void navigator.serviceWorker.register('./service-worker.js', { updateViaCache: 'none' });`,
    [`assets/part-${version}.js`]: `export const text = 'part ${version}';`,
  };
}

describe.skipIf(reason)(`the demo's service worker${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let browser: Browser;
  let folder: string;
  let server: Served;
  let page: Page;

  /** Puts a version of the site in the place of what is there. */
  async function deploy(version: string): Promise<void> {
    const files = siteOf(version);
    const built = Object.entries(files).map(([name, text]) => [
      name,
      name.endsWith('.html') ? { type: 'asset', source: text } : { type: 'chunk', code: text },
    ]);
    const shell = shellOf(Object.fromEntries(built) as Parameters<typeof shellOf>[0]);
    files['service-worker.js'] = await serviceWorker('demo/service-worker.ts', shell);
    await rm(folder, { recursive: true, force: true });
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), text);
    }
  }

  /** Resolves when the service worker of this version is the one that answers. */
  async function untilActive(of: Page, version: string): Promise<void> {
    await of.evaluate(async (asset) => {
      const { scope } = await navigator.serviceWorker.ready;
      for (;;) {
        const { installing, waiting, active } = (await navigator.serviceWorker.getRegistration(scope))!;
        const isHere = await caches.match(new URL(asset, scope));
        if (isHere && !installing && !waiting && active?.state === 'activated') return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }, `assets/main-${version}.js`);
  }

  const text = (of: Page): Promise<string> => of.locator('body').innerText();
  const shows = (of: Page, words: string): Promise<void> => of.getByText(words, { exact: true }).waitFor();

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ternion-offline-'));
    await deploy('one');
    server = await serveFolders([folder]);
    page = await (await browser.newContext()).newPage();
    page.setDefaultTimeout(NO_TIMEOUT);
    await page.goto(server.url);
    await untilActive(page, 'one');
  });
  afterEach(async () => {
    await page.context().close();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('shows an update on the next visit, all of it, while a tab that is open goes on with all of its own', async () => {
    await deploy('two');
    const next = await page.context().newPage();
    await next.goto(server.url);
    await shows(next, 'main two');
    await untilActive(next, 'two');
    // The server has no such file any more.
    await page.locator('body').click();
    await shows(page, 'part one');
    await server.close();
    await next.reload();
    await shows(next, 'main two');
    await next.locator('body').click();
    await shows(next, 'part two');
  });

  it('keeps no version but the last two', async () => {
    for (const version of ['two', 'three']) {
      await deploy(version);
      await page.reload();
      await untilActive(page, version);
    }
    const names = await page.evaluate(() => caches.keys());
    expect(names).toHaveLength(2);
    expect(await page.evaluate(() => caches.match('./assets/main-one.js'))).toBeUndefined();
    expect(await text(page)).toBe('main three');
  });

  it('keeps none of a version whose page is not the one that was built', async () => {
    await deploy('two');
    await writeFile(join(folder, 'index.html'), siteOf('one')['index.html']!);
    const ending = await page.evaluate(async () => {
      const registration = await navigator.serviceWorker.ready;
      const found = new Promise<string>((resolve) => {
        registration.onupdatefound = () => {
          const worker = registration.installing!;
          worker.onstatechange = () =>
            ['redundant', 'activated'].includes(worker.state) && resolve(worker.state);
        };
      });
      await registration.update();
      return found;
    });
    expect(ending).toBe('redundant');
    await server.close();
    await page.reload();
    await shows(page, 'main one');
  });

  it('leaves requests for parts of files, and files that are none of the site, to the network', async () => {
    await page.reload();
    const answers = await page.evaluate(async () => {
      const part = await fetch('./assets/part-one.js', { headers: { range: 'bytes=0-3' } });
      const model = await fetch('./models/model.gguf');
      return [part.status, model.status];
    });
    // What is kept is whole files; this server has no such model.
    expect(answers).toEqual([206, 404]);
    expect(await page.evaluate(() => caches.match('./models/model.gguf'))).toBeUndefined();
  });
});
