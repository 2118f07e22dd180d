// The built demo page, used as a visitor would: by keyboard and mouse, found by roles and labels.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it, describe } from 'vitest';
import type { Locator, Page } from 'playwright';
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

/** What a screen reader is given of an answer. */
interface Heard {
  /** What was announced, in its order. */
  announced: string[];
  /** `aria-busy` of the answer when its first text came, and `aria-live` of what it is in. */
  busy?: string | null;
  live?: string | null;
}

/** In the page: notes what is announced from now on, and how the next answer comes. */
function listen(): void {
  const heard: Heard = { announced: [] };
  Object.assign(globalThis, { heard });
  const announcer = document.querySelector('#announcer');
  new MutationObserver((records) => {
    for (const { target } of records) {
      const element = target instanceof Element ? target : target.parentElement;
      if (announcer?.contains(element)) heard.announced.push(announcer.textContent);
      const text = element?.closest('.answer .text');
      if (!text?.textContent || heard.busy !== undefined) continue;
      heard.busy = text.closest('.answer')?.getAttribute('aria-busy') ?? null;
      heard.live =
        text.closest('[aria-live], [role=status], [role=alert]')?.getAttribute('aria-live') ?? null;
    }
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}

describe.skipIf(reason)(`the demo${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let demo: DemoPage;
  let page: Page;
  const answer = (n: number) => demo.answer(n);
  const ask = (question: string, n: number) => demo.ask(question, n);
  const box = (): Locator => page.getByRole('textbox', { name: 'Message', exact: true });
  /** Resolves when it has the focus. */
  const focused = (locator: Locator): Promise<void> => locator.and(page.locator(':focus')).waitFor();

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
    await focused(box());
    const partial = await answer(1).locator('.text').innerText();
    expect(partial.length).toBeLessThan(300);
    expect(await ask('Spell planet.', 2)).toBe('p-l-a-n-e-t');
  });

  it('has the focus in the box, to write on in, when Send was clicked', async () => {
    await page.getByRole('button', { name: 'New chat' }).click();
    await box().fill('Spell planet.');
    await page.getByRole('button', { name: 'Send' }).click();
    await focused(box());
    await demo.finished(1);
    await focused(box());
    expect(await box().inputValue()).toBe('');
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

  it('tells a screen reader an answer once, when it is complete', async () => {
    await page.getByRole('button', { name: 'New chat' }).click();
    await page.evaluate(listen);
    const text = await ask('Count from 3 to 9.', 1);
    expect(await page.evaluate(() => (globalThis as unknown as { heard: Heard }).heard)).toEqual({
      announced: [text],
      // While there was only a part of it.
      busy: 'true',
      live: 'off',
    });
    expect(await answer(1).getAttribute('aria-busy')).toBeNull();
  });

  it('is read as headings, groups and buttons with names of their own', async () => {
    const snapshot = await page.getByRole('log').ariaSnapshot();
    // How many tokens a second there were is not for a test to say.
    expect(snapshot.replace(/[\d.]+ tokens\/s/, 'N tokens/s')).toMatchInlineSnapshot(`
      "- log "Conversation":
        - heading "You" [level=2]
        - paragraph: Count from 3 to 9.
        - button "Edit"
        - article "Answer 1":
          - heading "Answer 1" [level=2]
          - paragraph: 3, 4, 5, 6, 7, 8, 9
          - button "Copy"
          - button "Regenerate"
          - paragraph: 0 of 15 prompt tokens were in the KV cache
          - group: Chunks 20 tokens · N tokens/s · complete"
    `);
    expect(await page.getByRole('form').ariaSnapshot()).toMatchInlineSnapshot(`
      "- form "Write a message":
        - text: Message
        - textbox "Message":
          - /placeholder: Write a message
        - text: Temperature
        - slider "Temperature": "0"
        - button "Send"
        - meter "35 of 1,024 tokens of context"
        - text: 35 of 1,024 tokens of context
        - paragraph: Enter sends Shift + Enter new line Esc stops"
    `);
    await page.getByRole('button', { name: /^Models:/ }).click();
    await page.getByRole('article', { name: 'Ternion Tiny' }).waitFor();
    expect(await page.getByRole('article', { name: 'Ternion Tiny' }).ariaSnapshot()).toMatchInlineSnapshot(`
      "- article "Ternion Tiny":
        - heading "Ternion Tiny" [level=3]
        - text: in use
        - paragraph: "Trying things out: it counts, spells, names capitals, and is part of this package."
        - paragraph: MIT · 1.4 MB to download · 4.5 MB on the GPU · context of 1,024
        - status: Not checked on this device yet.
        - button "Check whether Ternion Tiny fits"
        - button "Load Ternion Tiny""
    `);
    await page.keyboard.press('Escape');
  });

  it('gives the focus back to what opened something, and to the box where one writes', async () => {
    for (const name of [/^Models:/, 'Settings', 'Chats']) {
      const opener = page.getByRole('banner').getByRole('button', { name, exact: true });
      await opener.focus();
      await page.keyboard.press('Enter');
      await page.keyboard.press('Escape');
      await focused(opener);
    }
    const edit = page.getByRole('button', { name: 'Edit' });
    await edit.focus();
    await page.keyboard.press('Enter');
    const change = page.getByRole('textbox', { name: 'Change the message' });
    await focused(change);
    await page.keyboard.press('Escape');
    await focused(edit);
    await page.keyboard.press('Enter');
    await change.fill('Spell planet.');
    await page.keyboard.press('Enter');
    await answer(1).getByText('p-l-a-n-e-t').waitFor();
    await focused(box());
    await demo.finished(1);
    await answer(1).getByRole('button', { name: 'Regenerate' }).focus();
    await page.keyboard.press('Enter');
    await focused(box());
  });

  it('is told that an answer was copied', async () => {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await answer(1).getByRole('button', { name: 'Copy' }).click();
    await page.locator('#announcer').filter({ hasText: 'Copied.' }).waitFor({ state: 'attached' });
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
