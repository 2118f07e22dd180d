// The token view of the demo: what a reader learns of each token, by mouse and by keyboard, and how to go on from another one.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Locator, Page } from 'playwright';
import { chromiumUnavailable } from '../support/chromium';
import { openDemo, type DemoPage } from '../support/demo-page';
import type { GoldenPrompt } from '../support/golden';

const reason = chromiumUnavailable();

describe.skipIf(reason)(`the token view${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let demo: DemoPage;
  let page: Page;
  let golden: GoldenPrompt[];
  const row = (n: number): Locator =>
    page.getByRole('toolbar', { name: `Tokens of answer ${n}`, exact: true });
  const tokens = (n: number): Locator => row(n).getByRole('button');
  const popover = (): Locator => page.getByRole('dialog').filter({ hasText: 'Token id' });
  const newChat = (): Promise<void> => page.getByRole('button', { name: 'New chat' }).click();

  beforeAll(async () => {
    demo = await openDemo();
    ({ page } = demo);
    golden = JSON.parse(
      await readFile(new URL('../fixtures/prompts.json', import.meta.url), 'utf8'),
    ) as GoldenPrompt[];
  });
  afterAll(async () => {
    await demo.close();
    expect(demo.errors).toEqual([]);
  });

  it('is there only for answers that were asked for with it', async () => {
    await demo.ask('Count from 3 to 9.', 1);
    expect(await row(1).count()).toBe(0);
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByRole('checkbox', { name: 'Show tokens' }).check();
    await page.keyboard.press('Escape');
    await newChat();
    expect(await demo.ask('Count from 3 to 9.', 1)).toBe('3, 4, 5, 6, 7, 8, 9');
    const ids = golden.find(({ text }) => text === '3, 4, 5, 6, 7, 8, 9')?.greedy ?? [];
    expect(await tokens(1).count()).toBe(ids.length);
  });

  it('says id, probability and alternatives of the token that the pointer is on', async () => {
    const [first] = golden.find(({ text }) => text === '3, 4, 5, 6, 7, 8, 9')?.greedy ?? [];
    await tokens(1).first().hover();
    await popover().waitFor();
    expect(await popover().locator('dd').allTextContents()).toEqual([
      String(first),
      expect.stringMatching(/^\d+\.\d %$|^100 %$/) as string,
    ]);
    // Five were asked for, and the likeliest is the one that came: the answer is greedy.
    expect(await popover().locator('li').count()).toBe(5);
    expect(await popover().locator('li').first().innerText()).toContain('chosen');
    await page.mouse.move(0, 0);
    await popover().waitFor({ state: 'hidden' });
  });

  it('is one stop of Tab, walked by arrow keys, and gives the focus back', async () => {
    const label = (): Promise<string | null> =>
      page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? null);
    await tokens(1).first().focus();
    await page.keyboard.press('ArrowRight');
    expect(await label()).toMatch(/^“,”, [\d.]+ %$/);
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Home');
    expect(await row(1).locator('[tabindex="0"]').count()).toBe(1);
    const start = await label();
    await page.keyboard.press('Enter');
    await popover().waitFor();
    expect(await label()).toMatch(/^Go on from .+ %$/);
    await page.keyboard.press('Escape');
    await popover().waitFor({ state: 'hidden' });
    expect(await label()).toBe(start);
  });

  it('shows the bytes of what is only a part of a character', async () => {
    await demo.ask('Say hello in Japanese.', 2);
    const shown = await tokens(2).allInnerTexts();
    const bytes = shown.filter((text) => /^[0-9a-f]{2}( [0-9a-f]{2})*$/.test(text));
    // U+3053, the first character of the answer, is e3 81 93 in UTF-8.
    expect(bytes.join(' ')).toMatch(/^e3 81 93/);
  });

  it('goes on from an alternative, in a branch beside which the other one can be shown again', async () => {
    await newChat();
    const first = await demo.ask('Count from 3 to 9.', 1);
    const after = await demo.ask('Spell planet.', 2);
    const other = tokens(1).nth(2);
    await other.click();
    const choice = popover().getByRole('button').first();
    const name = /“(.*)”/.exec((await choice.getAttribute('aria-label')) ?? '')?.[1] ?? '';
    await choice.press('Enter');
    await demo.answer(1).getByText('Answer 2 of 2').waitFor();
    await demo.finished(1);
    const branched = await demo.answer(1).locator('.text').innerText();
    expect(branched).not.toBe(first);
    // Two tokens stay, “3” and “,”, then comes the one that was chosen.
    expect(branched.startsWith(`3,${name}`)).toBe(true);
    expect(await tokens(1).count()).toBeGreaterThan(3);
    expect(await page.getByRole('article').count()).toBe(1);

    await demo.answer(1).getByRole('button', { name: 'Previous answer' }).click();
    await demo.answer(2).waitFor();
    expect(await demo.answer(1).locator('.text').innerText()).toBe(first);
    expect(await demo.answer(2).locator('.text').innerText()).toBe(after);
    // By keyboard from where the focus is now.
    await page.keyboard.press('Enter');
    await demo.answer(2).waitFor({ state: 'detached' });
    expect(await demo.answer(1).locator('.text').innerText()).toBe(branched);
    // Each branch goes on for itself. What the model makes of an answer that it did not want to give is not said here.
    expect(await demo.ask('Say hello in Japanese.', 2)).not.toBe('');
    await demo.answer(1).getByRole('button', { name: 'Previous answer' }).click();
    await demo.answer(2).filter({ hasText: after }).waitFor();
  });
});
