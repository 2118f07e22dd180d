// The built demo page, used as a visitor would: by keyboard and mouse, found by roles and labels.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it, describe } from 'vitest';
import type { Page } from 'playwright';
import { chromiumUnavailable, NO_TIMEOUT } from '../support/chromium';
import { openDemo, type DemoPage } from '../support/demo-page';

const reason = chromiumUnavailable();

/**
 * In the page: clicks Stop as soon as there is an answer to stop. On a busy machine a click from here could come after its
 * last word.
 */
function stopAtFirstWord(): void {
  const stop = document.querySelector<HTMLButtonElement>('#stop')!;
  const observer = new MutationObserver(() => {
    if (stop.hidden || !document.querySelector('article .text')?.textContent) return;
    observer.disconnect();
    stop.click();
  });
  observer.observe(document.body, { subtree: true, childList: true, characterData: true });
}

describe.skipIf(reason)(`the demo${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let demo: DemoPage;
  let page: Page;
  const answer = (n: number) => demo.answer(n);
  const ask = (question: string, n: number) => demo.ask(question, n);

  beforeAll(async () => {
    demo = await openDemo();
    ({ page } = demo);
  });
  afterAll(async () => {
    await demo.close();
    expect(demo.errors).toEqual([]);
  });

  it('chats with the embedded model at once, by keyboard alone', async () => {
    expect(await ask('Count from 3 to 9.', 1)).toBe('3, 4, 5, 6, 7, 8, 9');
    expect(
      await page.getByRole('textbox', { name: 'Message' }).evaluate((box) => box === document.activeElement),
    ).toBe(true);
  });

  it('shows ids and text of every chunk side by side', async () => {
    expect(await ask('Say hello in Japanese.', 2)).toBe('こんにちは');
    await answer(2).locator('summary').filter({ hasText: 'Chunks' }).click();
    const pieces = await answer(2).locator('.chunks .piece').allTextContents();
    expect(pieces.join('')).toBe('こんにちは');
    const ids = (await answer(2).locator('.chunks .ids').allTextContents()).join(' ').trim().split(/\s+/);
    const golden = JSON.parse(
      await readFile(new URL('../fixtures/prompts.json', import.meta.url), 'utf8'),
    ) as { text: string; greedy: number[] }[];
    expect(ids.map(Number)).toEqual(golden.find(({ text }) => text === 'こんにちは')!.greedy);
  });

  it('remembers the conversation until a new chat begins', async () => {
    await ask('My name is Ravi.', 3);
    expect(await ask('What is my name?', 4)).toBe('Your name is Ravi.');
    await page.getByRole('button', { name: 'New chat' }).click();
    expect(await page.getByRole('article').count()).toBe(0);
    expect(await ask('What is my name?', 1)).not.toContain('Ravi');
  });

  it('stops at the button and keeps what was said', async () => {
    await page.getByRole('button', { name: 'New chat' }).click();
    await page.getByRole('textbox', { name: 'Message' }).fill('Tell me a story about a fox named Mia.');
    await page.evaluate(stopAtFirstWord);
    await page.getByRole('button', { name: 'Send' }).click();
    await answer(1).locator('summary').filter({ hasText: 'stopped' }).waitFor();
    const partial = await answer(1).locator('.text').innerText();
    expect(partial.length).toBeLessThan(300);
    expect(await ask('Spell planet.', 2)).toBe('p-l-a-n-e-t');
  });

  it('samples when the temperature is raised', async () => {
    await page.getByRole('button', { name: 'New chat' }).click();
    await page.getByRole('slider', { name: 'Temperature' }).fill('1.5');
    const stories = [await ask('Tell me a story.', 1), await ask('Tell me a story.', 2)];
    expect(stories[0]).not.toBe(stories[1]);
    await page.getByRole('slider', { name: 'Temperature' }).fill('0');
  });

  it('says why a file is no model, and goes on with the one it has', async () => {
    await page.getByRole('button', { name: 'New chat' }).click();
    const file = {
      name: 'note.gguf',
      mimeType: 'application/octet-stream',
      buffer: Buffer.from('hello, I am no model'),
    };
    await page.getByLabel('Model files').setInputFiles(file);
    await page.getByRole('alert').filter({ hasText: 'unsupported-format' }).waitFor();
    expect(await ask('Show me a fox emoji.', 1)).toBe('🦊');
  });

  it('says which browsers have WebGPU where there is none', async () => {
    const bare = await demo.browser.newPage();
    bare.setDefaultTimeout(NO_TIMEOUT);
    await bare.addInitScript(() => Object.defineProperty(navigator, 'gpu', { value: undefined }));
    await bare.goto(demo.url);
    await bare.getByRole('heading', { name: 'This page needs WebGPU' }).waitFor();
    expect(await bare.getByRole('tab').count()).toBe(0);
    expect(await bare.getByText('Firefox').first().isVisible()).toBe(true);
    expect(await bare.getByRole('button', { name: 'Send' }).isVisible()).toBe(false);
    await bare.close();
  });
});
