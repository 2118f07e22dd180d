// What a reader can do with a conversation on the demo page: change, repeat, copy, save it, and go on when the context is full.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it, describe } from 'vitest';
import type { Page } from 'playwright';
import { chromiumUnavailable } from '../support/chromium';
import { openDemo, type DemoPage } from '../support/demo-page';
import { keepConversation } from '../support/kept-conversations';
import { layoutsDuring, type Layouts } from '../support/page-work';

const reason = chromiumUnavailable();

/** What a page saw of itself while an answer came. */
interface Observed {
  /** Changes within older answers and within the newest one. */
  older: number;
  newest: number;
  /** What was moved, and is not in the box below. */
  shifts: string[];
}

/** In the page: resolves when what the click has changed is drawn. */
function clickAndDraw(element: Element): Promise<void> {
  (element as HTMLElement).click();
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
}

/** In the page: looks at changes and at what moves from now on, for `observed`. */
function observeAnswer(): void {
  const seen: Observed = { older: 0, newest: 0, shifts: [] };
  Object.assign(globalThis, { seen });
  const log = document.querySelector('#log');
  new MutationObserver((records) => {
    for (const { target } of records) {
      const element = target instanceof Element ? target : target.parentElement;
      const answer = element?.closest('.answer');
      if (answer) seen[answer === log?.lastElementChild ? 'newest' : 'older']++;
    }
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { sources } = entry as PerformanceEntry & { sources: { node?: Node | null }[] };
      for (const { node } of sources)
        if (!node?.parentElement?.closest('#composer'))
          seen.shifts.push(`${node?.nodeName} of ${entry.startTime}`);
    }
  }).observe({ type: 'layout-shift' });
}

/** In the page: what was seen since. */
function observed(): Observed {
  return (globalThis as unknown as { seen: Observed }).seen;
}

/** In the page: asks, and resolves when the answer has ended and is drawn. Nobody looks from outside meanwhile, which is work too. */
function askAndWait(question: string): Promise<void> {
  const stop = document.querySelector<HTMLButtonElement>('#stop');
  const message = document.querySelector<HTMLTextAreaElement>('#message');
  if (!stop || !message) throw new Error('The page has no box to write in.');
  return new Promise((resolve) => {
    new MutationObserver((_, observer) => {
      if (!stop.hidden) return;
      observer.disconnect();
      requestAnimationFrame(() => setTimeout(resolve));
    }).observe(stop, { attributeFilter: ['hidden'] });
    message.value = question;
    message.form?.requestSubmit();
  });
}

describe.skipIf(reason)(`a conversation on the demo page${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let demo: DemoPage;
  let page: Page;
  const answer = (n: number) => demo.answer(n);
  const finished = (n: number) => demo.finished(n);
  const text = (n: number) => answer(n).locator('.text').innerText();
  const ask = (question: string, n: number) => demo.ask(question, n);
  const button = (name: string) => page.getByRole('button', { name, exact: true });
  const newChat = () => button('New chat').click();

  beforeAll(async () => {
    demo = await openDemo();
    ({ page } = demo);
  });
  afterAll(async () => {
    await demo.close();
    expect(demo.errors).toEqual([]);
  });

  it('is asked anew from a question that was changed', async () => {
    await ask('Count from 3 to 5.', 1);
    await ask('Spell planet.', 2);
    await button('Edit').first().click();
    await page.getByRole('textbox', { name: 'Change the message' }).fill('Count from 4 to 6.');
    await button('Send again').click();
    await answer(2).waitFor({ state: 'detached' });
    await finished(1);
    expect(await text(1)).toBe('4, 5, 6');
    expect(await page.getByRole('article').count()).toBe(1);
  });

  it('gives a greedy answer again as it was', async () => {
    await newChat();
    await ask('My name is Ravi.', 1);
    const before = await ask('What is my name?', 2);
    const old = await answer(2).elementHandle();
    await answer(2).getByRole('button', { name: 'Regenerate' }).click();
    await page.waitForFunction((element) => !element?.isConnected, old);
    await finished(2);
    expect(await text(2)).toBe(before);
    expect(await answer(1).getByRole('button', { name: 'Regenerate' }).isVisible()).toBe(false);
  });

  it('is the same story twice by the same seed, and another one without', async () => {
    await newChat();
    await button('Settings').click();
    await page.getByRole('spinbutton', { name: 'Seed' }).fill('7');
    await page.keyboard.press('Escape');
    await page.getByRole('slider', { name: 'Temperature' }).fill('1.5');
    const first = await ask('Tell me a story.', 1);
    await newChat();
    expect(await ask('Tell me a story.', 1)).toBe(first);
    await button('Settings').click();
    await page.getByRole('spinbutton', { name: 'Seed' }).fill('');
    await page.keyboard.press('Escape');
    await newChat();
    expect(await ask('Tell me a story.', 1)).not.toBe(first);
    await page.getByRole('slider', { name: 'Temperature' }).fill('0');
  });

  it('can be saved as a file', async () => {
    await newChat();
    await ask('Spell planet.', 1);
    await button('Settings').click();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      button('Save the conversation').click(),
    ]);
    const saved = await readFile(await download.path(), 'utf8');
    expect(saved).toMatch(/\*\*You\*\*\n\nSpell planet\.\n\n\*\*.+\*\*\n\np-l-a-n-e-t\n/);
    await page.keyboard.press('Escape');
  });

  describe('of two hundred turns of an earlier visit', () => {
    /** What was measured in opening a conversation, and in streaming an answer to it. */
    interface Measured {
      opening: Layouts;
      streaming: Layouts & Observed;
    }
    const measured = new Map<number, Measured>();

    beforeAll(async () => {
      await keepConversation(page, 'A short one', 2);
      await keepConversation(page, 'A long one', 200);
      await page.reload();
      await demo.ready();
      measured.set(2, await measure('A short one', 2));
      measured.set(200, await measure('A long one', 200));
    });

    async function measure(title: string, turns: number): Promise<Measured> {
      await button('Chats').click();
      const row = page.locator('#chats').getByRole('button', { name: title, exact: true });
      const opening = await layoutsDuring(demo.browser, page, () => row.evaluate(clickAndDraw));
      expect(await page.getByRole('article').count()).toBe(turns);
      await page.evaluate(observeAnswer);
      const streaming = await layoutsDuring(demo.browser, page, () =>
        page.evaluate(askAndWait, 'Tell me a story.'),
      );
      return { opening, streaming: { ...streaming, ...(await page.evaluate(observed)) } };
    }

    const of = (turns: number): Measured => {
      const found = measured.get(turns);
      if (!found) throw new Error('Nothing was measured.');
      return found;
    };

    it('is opened with no more layouts than one of two', () => {
      // Four were measured, of either; with a layout for each turn there were 208. Busy machines draw some frames more.
      expect(of(200).opening.layouts.length).toBeLessThan(2 * of(2).opening.layouts.length + 20);
      // Otherwise this would say nothing of the turns: each has a dozen objects or so.
      expect(Math.max(...of(200).opening.layouts)).toBeGreaterThan(1000);
    });

    it('costs no more for each token than one of two', () => {
      for (const [small, large] of [
        [of(2).streaming.styles, of(200).streaming.styles],
        [of(2).streaming.layouts, of(200).streaming.layouts],
      ]) {
        // When a turn comes, when it ends, and when the line comes from which on the model remembers, all buttons change.
        const rare = large?.filter((touched) => touched > Math.max(...(small ?? []))) ?? [];
        expect(rare.length).toBeLessThanOrEqual(4);
        // Otherwise nothing was streamed.
        expect(large?.length).toBeGreaterThan(15);
      }
      expect(of(200).streaming.older).toBe(0);
      expect(of(200).streaming.newest).toBeGreaterThan(10);
    });

    it('does not move what is on the page while an answer comes, nor when it ends', () => {
      // The box below grows upwards when the bar comes that says how much of the context is used.
      for (const turns of [2, 200]) expect(of(turns).streaming.shifts).toEqual([]);
    });

    it('lays out what is out of sight only when it comes there', async () => {
      const skipped = await page.evaluate(
        () =>
          [...document.querySelectorAll('.log .answer')].filter(
            (answer) => getComputedStyle(answer).contentVisibility === 'auto',
          ).length,
      );
      // All but the last ten of 201.
      expect(skipped).toBe(191);
    });

    it('goes on though its context is full, and says from where on the model remembers', async () => {
      const memory = page.getByText('The model remembers from here on');
      expect(await memory.isVisible()).toBe(true);
      // Amid so many turns the model is not good at anything else; but it answers.
      expect(await ask('Spell planet.', 202)).not.toBe('');
      const meter = page.getByRole('meter');
      const use = await meter.evaluate((bar: HTMLMeterElement) => bar.value / bar.max);
      expect(use).toBeGreaterThan(0.4);
      expect(use).toBeLessThanOrEqual(1);
      await newChat();
      expect(await memory.isVisible()).toBe(false);
      expect(await meter.isVisible()).toBe(false);
    });
  });
});
