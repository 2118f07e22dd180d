// How a screen reader finds the demo page: before anything was asked, and while an answer comes.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Page } from 'playwright';
import { chromiumUnavailable } from '../support/chromium';
import { openDemo, type DemoPage } from '../support/demo-page';

const reason = chromiumUnavailable();

/** In the page: what comes behind the first words of an answer waits for `release`. On a busy machine no look from here could be in time. */
function holdAfterFirstWords(): void {
  const { prototype } = ReadableStreamDefaultReader;
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with its reader
  const { read } = prototype;
  const begun = new WeakSet<object>();
  let release = (): void => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  prototype.read = async function (this: ReadableStreamDefaultReader) {
    const next = await read.call(this);
    if (begun.has(this)) await released;
    if ((next.value as { text?: string } | undefined)?.text) begun.add(this);
    return next;
  };
  Object.assign(globalThis, {
    release: () => {
      prototype.read = read;
      release();
    },
  });
}

describe.skipIf(reason)(`the demo${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let demo: DemoPage;
  let page: Page;

  beforeAll(async () => {
    demo = await openDemo();
    ({ page } = demo);
  });
  afterAll(async () => {
    await demo.close();
    expect(demo.errors).toEqual([]);
  });

  it('is read as a title, things to ask and a form before anything was asked', async () => {
    expect(await page.getByRole('main').ariaSnapshot()).toMatchInlineSnapshot(`
      "- main:
        - tabpanel "Chat":
          - region "A language model made of −1, 0 and +1.":
            - heading "A language model made of −1, 0 and +1." [level=2]
            - paragraph: "Every weight in its layers is one of these three values. It runs in this page, on your own GPU: nothing you write leaves your device."
            - heading "Things it can do" [level=3]
            - list "Things it can do":
              - listitem:
                - button "Count from 3 to 9."
              - listitem:
                - button "Say hello in Japanese."
              - listitem:
                - button "My name is Ravi."
              - listitem:
                - button "Tell me a story about a fox named Mia."
              - listitem:
                - button "Show me a fox emoji."
              - listitem:
                - button "What is a KV cache?"
            - paragraph:
              - text: This one is tiny, and makes mistakes.
              - button "Choose a bigger one"
              - text: ", or drop a"
              - code: .gguf
              - text: file with ternary weights on this page.
          - log "Conversation"
          - alert
          - form "Write a message":
            - text: Message
            - textbox "Message":
              - /placeholder: Write a message
            - text: Temperature
            - slider "Temperature": "0"
            - button "Send"
            - paragraph: Enter sends Shift + Enter new line Esc stops"
    `);
  });

  it('is read as an answer to come, and a form with Stop, while the model answers', async () => {
    await page.evaluate(holdAfterFirstWords);
    await page.getByRole('textbox', { name: 'Message', exact: true }).fill('Count from 3 to 9.');
    await page.getByRole('button', { name: 'Send' }).click();
    await demo.answer(1).locator('.text').filter({ hasText: '3' }).waitFor();
    expect(await demo.answer(1).getAttribute('aria-busy')).toBe('true');
    const snapshot = await page.getByRole('main').ariaSnapshot();
    await page.evaluate('release()');
    await demo.finished(1);
    // Which words and how many tokens came first is not for a test to say.
    expect(snapshot.replace(/: "?3[\d, ]*"?$/m, ': WORDS').replace(/: Chunks .*/, ': Chunks N'))
      .toMatchInlineSnapshot(`
      "- main:
        - tabpanel "Chat":
          - log "Conversation":
            - heading "You" [level=2]
            - paragraph: Count from 3 to 9.
            - button "Edit" [disabled]
            - article "Answer 1":
              - heading "Answer 1" [level=2]
              - paragraph: WORDS
              - paragraph
              - group: Chunks N
          - alert
          - form "Write a message":
            - text: Message
            - textbox "Message":
              - /placeholder: Write a message
            - text: Temperature
            - slider "Temperature": "0"
            - button "Stop"
            - meter "A context of 1,024 tokens"
            - text: A context of 1,024 tokens
            - paragraph: Enter sends Shift + Enter new line Esc stops"
    `);
  });
});
