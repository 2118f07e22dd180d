// A page goes on answering its visitor while a model loads: nothing that the load does on it takes long.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Browser, Page } from 'playwright';
import { GeneratedModel } from '../../bench/core/generated-model';
import { SHAPES } from '../../bench/core/shapes';
import { chromiumUnavailable, launchChromium, NO_TIMEOUT } from '../support/chromium';
import { FaultServer } from '../support/fault-server';
import { tasksDuring } from '../support/page-work';
import { servePages, type Served } from '../support/serve';

/** 12 layers with a large embedding: a file of 120 MB. */
const SHAPE = { ...SHAPES['125m'], vocabulary: 64_000 };

/** What browsers call a long task, ms: longer, and a visitor notices. */
const LONG = 50;

const reason = chromiumUnavailable();

// Only Chromium says how much of the processor's time a task took.
describe.skipIf(reason)(`in Chromium${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let pages: Served;
  let files: FaultServer;
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    pages = await servePages();
    const model = new GeneratedModel('generated', SHAPE);
    files = await FaultServer.start({
      '/model.gguf': { bytes: await model.read(0, model.size), etag: '"1"' },
    });
    browser = await launchChromium();
    page = await browser.newPage();
    page.setDefaultTimeout(NO_TIMEOUT);
    await page.goto(`${pages.url}test/e2e/pages/engine.html`);
  });
  afterAll(async () => {
    await browser.close();
    await pages.close();
    await files.close();
  });

  const tasks = (expression: string): Promise<number[]> =>
    tasksDuring(browser, page, () => page.evaluate(expression));

  it('a task of the page that is long shows', async () => {
    // Work that no processor does in 50 ms.
    const [longest] = await tasks('spin(1e9)');
    expect(longest).toBeGreaterThan(LONG);
  });

  it.each(['/models/ternion-tiny-i2_s.gguf', '120 MB'])('loading %s makes no long task', async (source) => {
    const address = source === '120 MB' ? `${files.origin}/model.gguf` : source;
    const took = await tasks(`loadOnce(${JSON.stringify(address)})`);
    // Otherwise this would say nothing of the load.
    expect(took.length).toBeGreaterThan(20);
    expect(took.filter((ms) => ms > LONG)).toEqual([]);
    if (source === '120 MB') expect(files.bytesSent).toBeGreaterThan(100e6);
  });
});
