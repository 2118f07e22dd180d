// The APIs that people know, in a real page: each streams from the embedded model, and the tokens are those of a session.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { chromium, inBrowsers, type TestPage } from '../support/browsers';
import { servePages, type Served } from '../support/serve';
import type { Question, Said } from './pages/surfaces';

let server: Served;
beforeAll(async () => {
  server = await servePages();
});
afterAll(() => server.close());

inBrowsers(
  (open) => {
    const question: Question = { content: 'Tell me a story.', seed: 5, maxTokens: 20 };
    let page: TestPage;
    let own: Said;
    beforeAll(async () => {
      page = await open(`${server.url}test/e2e/pages/surfaces.html`);
      await page.call('load');
      own = await page.call<Said>('ofSession', question);
    });
    afterAll(async () => {
      await page.call('unload');
      expect(page.errors).toEqual([]);
      await page.close();
    });

    it('streams through the client of OpenAI, which may leave amid an answer', async () => {
      expect(own.tokenIds).toHaveLength(20);
      expect(await page.call('ofOpenAi', question)).toEqual(own);
      expect((await page.call<Said>('leaveOpenAi', 5)).tokenIds).toHaveLength(4);
    });
  },
  [chromium],
);
