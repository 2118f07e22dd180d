// The demo in Firefox, in one visit and a second one: what differs between browsers is how they draw, store and lead the focus.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Page } from 'puppeteer-core';
import type { FaultServer } from '../support/fault-server';
import { firefoxUnavailable, launchFirefox, type RunningFirefox } from '../support/firefox';
import { serveDemo, type Served } from '../support/serve';
import { filesKept, serveSlowModels, stallBehindOne } from '../support/slow-models';
import { until as untilHere } from '../support/wait';

const reason = firefoxUnavailable();

describe.skipIf(reason)(`the demo in Firefox${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let firefox: RunningFirefox;
  let server: Served;
  let models: FaultServer;
  let page: Page;
  const errors: string[] = [];

  const click = (selector: string): Promise<void> => page.locator(selector).click();
  /** Resolves when an expression about the page is true. */
  const until = (expression: string): Promise<unknown> => page.waitForFunction(expression);
  const text = (selector: string): Promise<string> =>
    page.$eval(selector, (element) => (element as HTMLElement).innerText);
  const focused = (): Promise<string> =>
    page.evaluate(() => document.activeElement?.id || (document.activeElement?.textContent ?? ''));
  const ready = (): Promise<unknown> => until('!document.querySelector("#send").disabled');
  /** Asks by keyboard, from where the focus is; the text of the answer, which is the n-th. */
  const ask = async (question: string, n: number): Promise<string> => {
    await page.keyboard.type(question);
    await page.keyboard.press('Enter');
    await until(`document.querySelectorAll('.answer:not(.busy)').length === ${n}`);
    return text('.log > .answer:last-child .text');
  };

  /** Begins to load a model by its address. */
  const loadFrom = async (address: string): Promise<void> => {
    await click('.bar .opens-gallery');
    await page.locator('#address').fill(address);
    await page.focus('#address');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#gallery:not([open])');
  };
  /** Resolves when what is said of a load is this. */
  const progress = (pattern: RegExp): Promise<unknown> =>
    until(`${String(pattern)}.test(document.querySelector('#loading-text').textContent)`);
  const loadEnded = (): Promise<unknown> => until('document.querySelector("#loading").hidden');

  beforeAll(async () => {
    server = await serveDemo();
    models = await serveSlowModels();
    firefox = await launchFirefox();
    page = await firefox.browser.newPage();
    page.setDefaultTimeout(0);
    page.on('pageerror', (error) => errors.push(String(error)));
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    await page.goto(server.url);
  });
  afterAll(async () => {
    await firefox.close();
    await server.close();
    await models.close();
    expect(errors).toEqual([]);
  });

  it('loads the embedded model, and has the gallery meanwhile, which gives the focus back', async () => {
    await click('.bar .opens-gallery');
    await page.waitForSelector('#gallery[open] .model');
    expect(await focused()).toBe('gallery-title');
    await page.keyboard.press('Escape');
    await page.waitForSelector('#gallery:not([open])');
    expect(await focused()).toContain('Models');
    await ready();
    await click('#message');
    expect(await ask('Count from 3 to 9.', 1)).toBe('3, 4, 5, 6, 7, 8, 9');
  });

  it('goes on from another token in a branch', async () => {
    await click('#settings-button');
    await click('#show-tokens');
    await page.keyboard.press('Escape');
    await click('#new-chat');
    const first = await ask('Count from 3 to 9.', 1);
    // What comes behind “3, 4”, as in Chromium's test: that branch ends soon.
    await click('.token-row .token:nth-child(5)');
    await until('document.activeElement.closest(".token-popover")');
    await page.keyboard.press('Enter');
    await until('document.querySelector(".branches span")?.textContent === "Answer 2 of 2"');
    await until('document.querySelector(".answer:not(.busy)")');
    expect(await text('.answer .text')).not.toBe(first);
    expect(await text('.answer .text')).toMatch(/^3, 4[^,]/);
  });

  it('has the conversation on the next visit, and offers the model that is gone', async () => {
    const branched = await text('.answer .text');
    await page.evaluate(() => {
      const model = { name: 'Lost Model', model: 'https://gone.example/lost.gguf' };
      localStorage.setItem('ternion-demo-model', JSON.stringify(model));
    });
    await page.reload();
    await ready();
    await page.waitForSelector('#alert button');
    expect((await text('#alert')).split(/\n+/)).toEqual([
      'Last time you used Lost Model, which is not all on this device any more.',
      'Load Lost Model',
    ]);
    await click('[popovertarget="chats-panel"]');
    await click('#chats .chat-title');
    expect(await text('.answer .text')).toBe(branched);
    expect(await focused()).toBe('message');
    expect(await ask('Spell planet.', 2)).not.toBe('');
  });

  it('pauses a download, and goes on from there', async () => {
    models.fault = stallBehindOne;
    await loadFrom(`${models.origin}/paused.gguf`);
    // All of the first piece has come, and it is kept when the rest is asked for.
    await progress(/^Downloading 1.05 MB of 1.45 MB, .+ left, at .+ [kM]B\/s$/);
    await untilHere(() => models.timesAsked('/paused.gguf')[0] > 0);
    await click('#pause');
    await progress(/^Paused: 1 MB of 1.4 MB are here\.$/);
    expect(await text('#pause')).toBe('Resume');
    models.fault = () => undefined;
    await click('#pause');
    await loadEnded();
    // What came before the pause was not sent again.
    expect(models.timesSent('/paused.gguf')).toEqual([1, 1]);
    await click('#message');
    expect(await ask('Spell planet.', 1)).toBe('p-l-a-n-e-t');
  });

  it('keeps nothing of a download that is cancelled', async () => {
    const kept = await page.evaluate(filesKept);
    models.fault = stallBehindOne;
    await loadFrom(`${models.origin}/slow.gguf`);
    await progress(/^Downloading 1.05 MB of 1.45 MB/);
    await untilHere(() => models.timesAsked('/slow.gguf')[0] > 0);
    // Otherwise there would be nothing to delete.
    expect(await page.evaluate(filesKept)).toBeGreaterThan(kept);
    await click('#cancel');
    await loadEnded();
    models.fault = () => undefined;
    await click('.bar .opens-gallery');
    await until(
      '![...document.querySelectorAll("#kept li")].some((row) => row.textContent.includes("slow.gguf"))',
    );
    await page.keyboard.press('Escape');
    expect(await page.evaluate(filesKept)).toBe(kept);
    // The model that is there goes on.
    await click('#message');
    expect(await ask('Spell planet.', 2)).not.toBe('');
  });
});
