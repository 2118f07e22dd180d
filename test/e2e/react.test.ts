// The hooks in a real browser, in StrictMode, on the embedded model: start, stream, stop, ask again, and go amid an answer.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ChatEntry } from '../../src/surfaces/react';
import { chromium, inBrowsers, type TestPage } from '../support/browsers';
import { servePages, type Served } from '../support/serve';

const MODEL = '/models/ternion-tiny-i2_s.gguf';

let server: Served;
beforeAll(async () => {
  server = await servePages();
});
afterAll(() => server.close());

inBrowsers(
  (open) => {
    let page: TestPage;
    beforeAll(async () => {
      page = await open(`${server.url}test/e2e/pages/react.html`);
    });
    afterAll(async () => {
      expect(page.errors).toEqual([]);
      await page.close();
    });

    it('loads once although StrictMode mounts twice, and says how far it is', async () => {
      const { fractions, workers, sessions } = await page.call<{
        fractions: number[];
        workers: number;
        sessions: number;
      }>('show', MODEL, true);
      expect([workers, sessions]).toEqual([1, 0]);
      expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
      expect(fractions.at(-1)).toBe(1);
    });

    it('shows an answer, and the same one when it is asked again, in one session', async () => {
      const { shown, sessions, locked } = await page.call<Record<string, unknown>>('send', 'What is 3 + 4?');
      expect(shown).toBe('user: What is 3 + 4?\nassistant: 3 + 4 = 7\n');
      expect(locked).toBe(shown);
      expect(sessions).toBe(1);
    });

    it('stops amid an answer and keeps what came', async () => {
      const last = await page.call<ChatEntry>('stopped', 'Tell me a story.');
      expect(last).toMatchObject({ role: 'assistant', finishReason: 'abort' });
      expect(last.content).not.toBe('');
    });

    it('leaves the engine free for others when it goes amid an answer', async () => {
      expect(await page.call('leave', MODEL, 'Tell me a story.')).toBe('3 + 4 = 7');
    });

    it('disposes of the engine with the component that loaded it', async () => {
      expect(await page.call('unmount')).toBe('disposed');
    });

    it('says why its own model could not be loaded, and tries again when it is told to', async () => {
      const { code, seen } = await page.call<Record<string, string>>('retry', MODEL, 'What is 3 + 4?');
      expect(code).toBe('worker-unavailable');
      expect(seen).toBe('user: What is 3 + 4?\nassistant: 3 + 4 = 7\n');
    });
  },
  [chromium],
);
