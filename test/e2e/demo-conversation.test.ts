// What a reader can do with a conversation on the demo page: change, repeat, copy, save it, and go on when the context is full.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it, describe } from 'vitest';
import type { Page } from 'playwright';
import { chromiumUnavailable } from '../support/chromium';
import { openDemo, type DemoPage } from '../support/demo-page';

const reason = chromiumUnavailable();

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

  it('goes on when its context is full, and says from where on the model remembers', async () => {
    await newChat();
    const memory = page.getByText('The model remembers from here on');
    let turns = 0;
    // A story takes some 100 of the 1024 tokens.
    while (turns < 30 && !(await memory.isVisible()))
      await ask('Tell me a story about a fox named Mia.', ++turns);
    expect(await memory.isVisible()).toBe(true);
    // Amid so many stories the model is not good at anything else; but it answers.
    expect(await ask('Spell planet.', turns + 1)).not.toBe('');
    const meter = page.getByRole('meter');
    const use = await meter.evaluate((bar: HTMLMeterElement) => bar.value / bar.max);
    expect(use).toBeGreaterThan(0.4);
    expect(use).toBeLessThanOrEqual(1);
    await newChat();
    expect(await memory.isVisible()).toBe(false);
    expect(await meter.isVisible()).toBe(false);
  });
});
