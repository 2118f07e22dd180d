// The token view of the demo: what a reader learns of each token, by mouse and by keyboard, and how to go on from another one; and
// the tab of answers that have a shape.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Locator, Page } from 'playwright';
import { chromiumUnavailable } from '../support/chromium';
import { openDemo, type DemoPage } from '../support/demo-page';
import type { GoldenPrompt } from '../support/golden';

const reason = chromiumUnavailable();

describe.skipIf(reason)(`tokens and shapes on the demo page${reason ? ` (skipped: ${reason})` : ''}`, () => {
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

  it('is read as a toolbar with a button for each token, which says how likely it was', async () => {
    const snapshot = await row(1).ariaSnapshot();
    // How likely each was is the adapter's affair, in the last digit.
    expect(snapshot.replace(/[\d.]+ %/g, 'N %')).toMatchInlineSnapshot(`
      "- toolbar "Tokens of answer 1":
        - button "“3”, N %": "3"
        - button "“,”, N %": ","
        - button "space, N %"
        - button "“4”, N %": "4"
        - button "“,”, N %": ","
        - button "space, N %"
        - button "“5”, N %": "5"
        - button "“,”, N %": ","
        - button "space, N %"
        - button "“6”, N %": "6"
        - button "“,”, N %": ","
        - button "space, N %"
        - button "“7”, N %": "7"
        - button "“,”, N %": ","
        - button "space, N %"
        - button "“8”, N %": "8"
        - button "“,”, N %": ","
        - button "space, N %"
        - button "“9”, N %": "9"
        - button "“<|eot_id|>”, N %": <|eot_id|>"
    `);
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

  it('says beneath an answer how much of its prompt was in the KV cache', async () => {
    await newChat();
    const counts = async (n: number): Promise<number[]> => {
      const text = await demo.answer(n).getByText('prompt tokens were in the KV cache').innerText();
      return (/^([\d,]+) of ([\d,]+) prompt tokens/.exec(text) ?? [])
        .slice(1)
        .map((count) => Number(count.replace(',', '')));
    };
    await demo.ask('Count from 3 to 9.', 1);
    const [none, prompt] = await counts(1);
    expect([none, prompt]).toEqual([
      0,
      golden.find(({ text }) => text === '3, 4, 5, 6, 7, 8, 9')?.promptIds.length,
    ]);
    await demo.ask('Spell planet.', 2);
    // All that the first prompt and its answer were, but perhaps what ends an answer.
    expect((await counts(2))[0]).toBeGreaterThan(prompt ?? 0);
  });

  it('goes on from an alternative, in a branch beside which the other one can be shown again', async () => {
    await newChat();
    const first = await demo.ask('Count from 3 to 9.', 1);
    const after = await demo.ask('Spell planet.', 2);
    // What comes behind “3, 4”: this branch ends soon, where others count on until the context is full.
    const other = tokens(1).nth(4);
    await other.click();
    const choice = popover().getByRole('button').first();
    const name = /“(.*)”/.exec((await choice.getAttribute('aria-label')) ?? '')?.[1] ?? '';
    await choice.press('Enter');
    await demo.answer(1).getByText('Answer 2 of 2').waitFor();
    await demo.finished(1);
    const branched = await demo.answer(1).locator('.text').innerText();
    expect(branched).not.toBe(first);
    // The tokens before it stay, then comes the one that was chosen.
    expect(branched.startsWith(`3, 4${name}`)).toBe(true);
    expect(await tokens(1).count()).toBeGreaterThan(5);
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

  it('gives a value that the schema of the structured tab allows', async () => {
    await page.getByRole('tab', { name: 'Chat' }).focus();
    await page.keyboard.press('ArrowRight');
    expect(await page.getByRole('textbox', { name: 'Message' }).isVisible()).toBe(false);
    const structured = page.getByRole('tabpanel', { name: 'Structured' });
    const verdict = structured.getByRole('status');
    const result = structured.getByRole('region', { name: 'Answer' });
    await structured.getByRole('button', { name: 'Ask' }).click();
    await verdict.filter({ hasText: 'Valid against the schema' }).waitFor();
    const numbers = JSON.parse(await result.innerText()) as number[];
    // Seven whole numbers from 3 to 9, says the schema; which ones they are is the model's affair.
    expect(numbers.length).toBe(7);
    expect(numbers.every((number) => Number.isInteger(number) && number >= 3 && number <= 9)).toBe(true);

    await structured.getByRole('combobox', { name: 'Example' }).selectOption('An object');
    await structured.getByRole('button', { name: 'Ask' }).click();
    await verdict.filter({ hasText: 'Valid against the schema' }).waitFor();
    const value = JSON.parse(await result.innerText()) as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(['name', 'animal', 'story', 'happy']);
    expect(value).toMatchObject({
      name: expect.stringMatching(/^[A-Z][a-z]{1,9}$/) as string,
      happy: expect.any(Boolean) as boolean,
    });
  });

  it('says at the schema what is wrong with it, and does not ask', async () => {
    const structured = page.getByRole('tabpanel', { name: 'Structured' });
    const schema = structured.getByRole('textbox', { name: 'JSON schema' });
    await schema.fill('{"type": "object",');
    await structured.getByRole('alert').filter({ hasText: 'no JSON yet' }).waitFor();
    await schema.fill('{"type": "string", "not": {"const": "a"}}');
    await structured.getByRole('button', { name: 'Ask' }).click();
    // The engine's own word of it.
    await structured.getByRole('alert').filter({ hasText: 'the keyword not' }).waitFor();
    expect(await schema.getAttribute('aria-invalid')).toBe('true');
    await page.getByRole('tab', { name: 'Chat' }).click();
    expect(await page.getByRole('textbox', { name: 'Message' }).isVisible()).toBe(true);
  });
});
