// A device that is lost in a worker that asked for it itself, in real browsers: answers are complete, with the ids that they
// would have had.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inBrowsers, type TestPage } from '../support/browsers';
import { chromiumUnavailable, launchChromium, NO_TIMEOUT } from '../support/chromium';
import type { GoldenPrompt } from '../support/golden';
import { servePages, type Served } from '../support/serve';
import type { Answered } from './pages/recovery';

const MODEL = '/models/ternion-tiny-i2_s.gguf';
const prompts = JSON.parse(
  readFileSync(new URL('../fixtures/prompts.json', import.meta.url), 'utf8'),
) as GoldenPrompt[];
const STORY = prompts.find(({ messages }) => messages[0]!.content === 'Tell me a story.')!.promptIds;
/** 400 tokens of conversation: three whole chunks of a prompt, and a part of one. */
const LONG = prompts.flatMap(({ promptIds, greedy }) => [...promptIds, ...greedy]).slice(0, 400);

let server: Served;
beforeAll(async () => {
  server = await servePages();
});
afterAll(() => server.close());

inBrowsers((open) => {
  describe('an engine that asks for its devices itself', () => {
    let page: TestPage;
    beforeAll(async () => {
      page = await open(`${server.url}test/e2e/pages/recovery.html`);
      await page.call('load', MODEL, 'auto');
    });
    afterAll(async () => {
      await page.call('dispose');
      expect(page.errors).toEqual([]);
      await page.close();
    });

    // The first submit is the first chunk of the prompt; the story has one chunk and then one submit a token.
    it.each([
      ['amid a prompt', LONG, 2],
      ['amid an answer', STORY, 9],
    ])('loses no token with a device that is lost %s', async (_when, prompt, submit) => {
      await expectNoneLost(page, prompt, submit);
    });

    it('replaces a device that is lost while nobody uses it at the next call', async () => {
      expect(await page.call('converse', 'My name is Ravi.', 'What is my name?')).toBe('Your name is Ravi.');
    });

    it('gives its device back when it is suspended amid an answer, and goes on on another', async () => {
      const { tokenIds } = await page.call<Answered>('answer', STORY);
      const suspended = await page.call<object>('suspendAmid', STORY);
      expect(suspended).toMatchObject({
        gpuBytes: 0,
        tokenIds,
        statuses: ['suspended', 'recovering', 'ready'],
      });
      expect(suspended).not.toMatchObject({ resumed: 0 });
    });
  });

  // Every load, and every device, compiles for seconds: these two share an engine.
  it('loses no token where chunks travel over a port; and a hidden page suspends its engine if asked, until the next call', async () => {
    const page = await open(`${server.url}test/e2e/pages/recovery.html`);
    expect(await page.call('loadWrong', MODEL)).toMatchObject({ code: 'invalid-argument' });
    await page.call('load', MODEL, 'message-port', 0);
    const { tokenIds } = await expectNoneLost(page, STORY, 9);
    expect(await page.call('hide')).toEqual(['suspended']);
    const after = await page.call<Answered>('answer', STORY);
    expect(after.tokenIds).toEqual(tokenIds);
    expect(after.statuses.slice(0, 2)).toEqual(['recovering', 'ready']);
    await page.call('dispose');
    expect(page.errors).toEqual([]);
    await page.close();
  });
});

/** Answers twice, the second time losing the device behind the worker's `submit`th submit from now; what the answer was. */
async function expectNoneLost(page: TestPage, prompt: readonly number[], submit: number): Promise<Answered> {
  const alone = await page.call<Answered>('answer', prompt);
  const disturbed = await page.call<Answered>('answerLosing', prompt, submit);
  expect(disturbed).toEqual({ ...alone, statuses: ['recovering', 'ready'] });
  expect(alone.statuses).toEqual([]);
  expect(alone.tokenIds).not.toEqual([]);
  return alone;
}

const unavailable = process.env.TERNION_BROWSER === 'firefox' ? 'not asked for' : chromiumUnavailable();
it.skipIf(unavailable)('a GPU process that crashes amid an answer, in Chromium, costs no token', async () => {
  const browser = await launchChromium();
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(NO_TIMEOUT);
  await page.goto(`${server.url}test/e2e/pages/recovery.html`);
  await page.evaluate(`load('${MODEL}', 'auto')`);
  const story = JSON.stringify(STORY);
  const { tokenIds } = await page.evaluate<Answered>(`answer(${story})`);
  await page.evaluate(`begin(${story}, 5)`);
  await (await browser.newBrowserCDPSession()).send('Browser.crashGpuProcess');
  expect(await page.evaluate('goOn()')).toEqual({ tokenIds, statuses: ['recovering', 'ready'] });
  expect((await page.evaluate<Answered>(`answer(${story})`)).tokenIds).toEqual(tokenIds);
  await browser.close();
});
