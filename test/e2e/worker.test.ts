// Workers that end, hang or never begin, in real browsers: every call hears of it, and a signal works whatever they do.
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest';
import { inBrowsers, type TestPage } from '../support/browsers';
import { servePages, type Served } from '../support/serve';

const MODEL = '/models/ternion-tiny-i2_s.gguf';
const LOST = { isTernionError: true, code: 'worker-lost' };
const UNAVAILABLE = { isTernionError: true, code: 'worker-unavailable' };

let server: Served;
beforeAll(async () => {
  server = await servePages();
});
afterAll(() => server.close());

inBrowsers((open) => {
  let page: TestPage;
  beforeEach(async () => {
    page = await open(`${server.url}test/e2e/pages/worker.html`);
  });
  afterEach(() => page.close());

  describe.each(['terminate', 'close'] as const)('a worker that is gone (%s)', (how) => {
    // However a worker ends, what its page sees is the same; so each end comes with one way for chunks to travel.
    const transport = how === 'terminate' ? 'auto' : 'message-port';
    it(`is noticed amid answers, with ${transport}`, async () => {
      await page.call('load', MODEL, transport);
      expect(await page.call('endAmidAnswers', how)).toMatchObject([LOST, LOST, LOST]);
      expect(await page.call('refusedCalls')).toMatchObject([LOST, LOST, LOST, LOST]);
      await page.call('dispose');
      expect(page.errors).toEqual([]);
    });

    // It takes no model, which would take seconds.
    it.each([
      ['there are Web Locks', true],
      ['there are none', false],
    ])('is noticed when nothing was asked of it, where %s', async (_, locks) => {
      expect(await page.call('endIdle', how, locks)).toMatchObject(LOST);
      expect(page.errors).toEqual([]);
    });

    it('is noticed while it loads', async () => {
      expect(await page.call('endAmidLoad', MODEL, how)).toMatchObject(LOST);
    });
  });

  it('a script that is not of Ternion is told from one that is, with what to do', async () => {
    for (const script of ['missing', 'throws at once', 'echo']) {
      const refused = await page.call<{ message: string }>('loadWrong', MODEL, script);
      expect(refused, script).toMatchObject(UNAVAILABLE);
      expect(refused.message).toMatch(/createWorker/);
      expect(refused.message).toMatch(/worker-src/);
    }
    for (const script of ['silent', 'stuck'])
      expect(await page.call('startWrong', script), script).toMatchObject(UNAVAILABLE);
  });

  it('a signal ends a load and a plan whose worker does not answer', async () => {
    const aborted = { isTernionError: true, code: 'aborted' };
    expect(await page.call('abortStuck', MODEL, 'load')).toMatchObject(aborted);
    expect(await page.call('abortStuck', MODEL, 'plan')).toMatchObject(aborted);
    expect(await page.call('abortBusyLoad', MODEL)).toMatchObject(aborted);
  });

  it('a worker that is busy is not gone', async () => {
    await page.call('askBusy', 1000);
    expect(page.errors).toEqual([]);
  });
});
