// Answers as Markdown on the demo page: the same while they stream as at once, and nothing in them that loads or runs anything.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Browser, Page } from 'playwright';
import { chromiumUnavailable, launchChromium, NO_TIMEOUT } from '../support/chromium';
import { servePages, type Served } from '../support/serve';
import type { Rendered } from './pages/markdown';

const TEXT = `A first paragraph, with **bold**, \`code\` and a [link](https://example.com).

Title
-----

- one
- two

  of two paragraphs
1. three

| a | b |
| - | - |
| 1 | 2 |

\`\`\`js
const a = 1;

const b = 2;
\`\`\`

> quoted

The [end] comes here.

[end]: https://example.org
`;

const reason = chromiumUnavailable();

describe.skipIf(reason)(`Markdown${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let pages: Served;
  let browser: Browser;
  let page: Page;
  const show = (pieces: readonly string[]): Promise<Rendered> =>
    page.evaluate(
      (all) => (globalThis as unknown as { show: (all: readonly string[]) => Rendered }).show(all),
      pieces,
    );

  beforeAll(async () => {
    pages = await servePages();
    browser = await launchChromium();
    page = await browser.newPage();
    page.setDefaultTimeout(NO_TIMEOUT);
    await page.goto(`${pages.url}test/e2e/pages/markdown.html`);
    await page.waitForFunction(() => 'ready' in globalThis);
  });
  afterAll(async () => {
    await browser.close();
    await pages.close();
  });

  it.each([1, 7, 50])('is the same in pieces of %d characters as at once', async (size) => {
    // But for links that are defined behind their use, which no stream can know: blocks that were settled stay.
    const text = TEXT.slice(0, TEXT.indexOf('The [end]'));
    const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
    const { html, firstStayed } = await show(pieces);
    expect(html).toBe((await show([text])).html);
    expect(firstStayed).toBe(true);
  });

  it('has the elements of Markdown', async () => {
    const { html } = await show([TEXT]);
    for (const tag of ['strong', 'code', 'h2', 'ul', 'ol', 'table', 'pre', 'blockquote'])
      expect(html).toContain(`<${tag}`);
    expect(html).toContain(
      '<a href="https://example.com" target="_blank" rel="noopener noreferrer">link</a>',
    );
    expect(html).toContain('Copy code');
  });

  it.each([
    ['an image', '![x](https://example.com/x.png)', /<img|example\.com/],
    ['a script', '<script>globalThis.ran = true</script>', /<script/],
    ['a handler', '<a href="#" onclick="globalThis.ran = true">x</a>', /onclick/],
    ['an address that runs', '[x](javascript:globalThis.ran=true)', /javascript:/],
    ['a form', '<form action="https://example.com"><input name="a"></form>', /<form|<input/],
    ['a style', '<p style="position:fixed" id="message" class="composer">x</p>', /style=|id=|class=/],
    ['a frame', '<iframe src="https://example.com"></iframe>', /<iframe/],
  ])('leaves out %s', async (_, text, forbidden) => {
    const { html } = await show([text]);
    expect(html).not.toMatch(forbidden);
    expect(await page.evaluate(() => 'ran' in globalThis)).toBe(false);
  });
});
