// The AI SDK, and a page that was written for the browser's own LanguageModel, on the embedded model in a real browser.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { chromium, inBrowsers, type TestPage } from '../support/browsers';
import type { Collected } from '../support/collect';
import { servePages, type Served } from '../support/serve';
import type { Shown } from './pages/prompt-api-page';

const MODEL = '/models/ternion-tiny-i2_s.gguf';
const SEED = 11;

let server: Served;
beforeAll(async () => {
  server = await servePages();
});
afterAll(() => server.close());

inBrowsers(
  (open) => {
    let page: TestPage;
    beforeAll(async () => {
      page = await open(`${server.url}test/e2e/pages/surfaces-sdk.html`);
    });
    afterAll(async () => {
      expect(page.errors).toEqual([]);
      await page.close();
    });

    it('runs a page for the Prompt API, with the ids of a session with the same seed', async () => {
      const shown = await page.call<Shown & { ids: number[][]; replaced: boolean }>('runPage', MODEL, SEED);
      expect(shown.availability).toBe('downloadable');
      expect(shown.progress[0]).toBe(0);
      expect(shown.progress.at(-1)).toBe(1);
      expect(shown.progress.toSorted((a, b) => a - b)).toEqual(shown.progress);
      expect(shown.pieces.length).toBeGreaterThan(5);
      expect(shown.usage).toBeLessThan(shown.window);
      expect(shown.replaced).toBe(true);

      await page.call('load', MODEL);
      const balanced = { temperature: 1, topK: 3, seed: SEED };
      const asked = [
        { role: 'user', content: 'My name is Ravi.' },
        { role: 'assistant', content: 'Nice to meet you, Ravi!' },
        { role: 'user', content: 'Tell me a story.' },
      ];
      const first = await page.call<Collected>('generate', asked, balanced);
      expect(shown.pieces.join('')).toBe(first.text);
      expect(shown.ids).toHaveLength(2);
      expect(shown.ids[0]).toEqual(first.tokenIds);
    });

    it('streams through the AI SDK, with the ids of a session with the same seed', async () => {
      const options = { temperature: 0.9, topK: 20, seed: SEED };
      const question = 'Count from 3 to 9.';
      const { pieces, metadata } = await page.call<{
        pieces: string[];
        metadata: { ternion: { tokenIds: number[] } };
      }>('stream', question, options);
      const expected = await page.call<Collected>('generate', [{ role: 'user', content: question }], options);
      expect(pieces.length).toBeGreaterThan(5);
      expect(pieces.join('')).toBe(expected.text);
      expect(metadata).toEqual({ ternion: { tokenIds: expected.tokenIds } });
      await page.call('dispose');
    });
  },
  [chromium],
);
