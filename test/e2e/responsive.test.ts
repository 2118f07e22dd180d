// A page goes on answering its visitor while a model loads: nothing that the load does on it takes long.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { GeneratedModel } from '../../bench/core/generated-model';
import { SHAPES } from '../../bench/core/shapes';
import { chromium, inBrowsers, type TestPage } from '../support/browsers';
import { FaultServer } from '../support/fault-server';
import { serveSources, type Served } from '../support/serve';

/** 12 layers with a large embedding: a file of 120 MB. */
const SHAPE = { ...SHAPES['125m'], vocabulary: 64_000 };

let pages: Served;
let files: FaultServer;
beforeAll(async () => {
  pages = await serveSources();
  const model = new GeneratedModel('generated', SHAPE);
  files = await FaultServer.start({
    '/model.gguf': { bytes: await model.read(0, model.size), etag: '"1"' },
  });
});
afterAll(async () => {
  await pages.close();
  await files.close();
});

// Only Chromium says which tasks were long.
inBrowsers(
  (open) => {
    let page: TestPage;
    beforeAll(async () => {
      page = await open(`${pages.url}test/e2e/pages/engine.html`);
    });
    afterAll(() => page.close());

    it('the browser reports a task of the page that is long', async () => {
      expect(await page.call('longTasksOfWaiting', 100)).toHaveLength(1);
    });

    it('loading the embedded model makes no long task', async () => {
      expect(await page.call('longTasksOfLoad', '/models/ternion-tiny-i2_s.gguf')).toEqual([]);
    });

    it('loading 120 MB makes no long task', async () => {
      const address = `${files.origin}/model.gguf`;
      expect(await page.call('longTasksOfLoad', address)).toEqual([]);
      expect(files.bytesSent).toBeGreaterThan(100e6);
    });
  },
  [chromium],
);
