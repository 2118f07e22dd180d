// A model behind the page's own origin, in a real browser: the OpenAI client gets a URL, and nothing else of Ternion.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { chromium, inBrowsers, type TestPage } from '../support/browsers';
import { servePages, type Served } from '../support/serve';

const MODEL = '/models/ternion-tiny-i2_s.gguf';

interface Answer {
  text: string;
  tokenIds: number[];
}

let server: Served;
beforeAll(async () => {
  server = await servePages();
});
afterAll(() => server.close());

inBrowsers(
  (open) => {
    it('answers the OpenAI client by URL, lets go when it leaves, and goes over to another tab', async () => {
      const url = `${server.url}test/e2e/pages/service-worker.html`;
      const page: TestPage = await open(url);
      await page.call('controlled');
      expect(await page.call('unanswered')).toMatchObject({
        status: 503,
        body: { error: { code: 'no_offer' } },
      });

      const first = await page.call<string>('load', MODEL);
      const local = await page.call<Answer>('locally');
      expect(local.tokenIds.length).toBeGreaterThan(3);
      expect(await page.call('byUrl')).toEqual(local);
      expect(await page.call('answering')).toBe(first);

      // There is one session: had the first answer not ended, the second would never begin.
      expect(await page.call('hangUp', local.tokenIds.at(-1))).toBe(1);
      expect(await page.call('byUrl')).toEqual(local);

      const tab = await page.openTab(url);
      await tab.call('controlled');
      // The model is in the other tab, and is asked from this one too.
      const second = await tab.call<string>('offerNothing');
      expect(await tab.call('byUrl')).toEqual(local);
      expect(await tab.call('answering')).toBe(first);
      await page.close();
      expect(await tab.call('answering')).toBe(second);
      await tab.close();
    });
  },
  // Firefox runs no service workers that are modules.
  [chromium],
);
