// Nothing that axe finds: the demo in each of its states, narrow and wide, light and dark.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Page } from 'playwright';
import { chromiumUnavailable } from '../support/chromium';
import { openDemo, type DemoPage } from '../support/demo-page';

const reason = chromiumUnavailable();

/** What axe gives of each rule that is broken. */
interface Violation {
  id: string;
  nodes: { target: string[] }[];
}

describe.skipIf(reason)(`axe finds nothing on the demo page${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let demo: DemoPage;
  let page: Page;

  const addAxe = async (): Promise<void> => {
    const path = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
    await page.evaluate(await readFile(path, 'utf8'));
  };

  beforeAll(async () => {
    demo = await openDemo();
    ({ page } = demo);
    // Colours that are on their way to others would be judged as they are.
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await addAxe();
  });
  afterAll(() => demo.close());

  async function faults(): Promise<string[]> {
    const found: string[] = [];
    for (const colorScheme of ['light', 'dark'] as const)
      for (const width of [320, 1440]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 800 });
        const { violations } = await page.evaluate<{ violations: Violation[] }>('axe.run()');
        const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
        if (wide) found.push(`${colorScheme} ${width}: scrolls sideways`);
        for (const { id, nodes } of violations)
          found.push(
            `${colorScheme} ${width}: ${id} at ${nodes.map(({ target }) => target.join(' ')).join(', ')}`,
          );
      }
    return found;
  }

  it('at the start', async () => {
    expect(await faults()).toEqual([]);
  });

  it('with the panels of settings and of conversations, and the gallery of models', async () => {
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByRole('checkbox', { name: 'Show tokens' }).check();
    expect(await faults()).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Chats', exact: true }).click();
    expect(await faults()).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /^Models:/ }).click();
    expect(await faults()).toEqual([]);
    await page.keyboard.press('Escape');
  });

  it('with an answer and its tokens, and what is said of one', async () => {
    await demo.ask('Count from 3 to 9.', 1);
    expect(await faults()).toEqual([]);
    await page.getByRole('toolbar').getByRole('button').first().click();
    expect(await faults()).toEqual([]);
    await page.keyboard.press('Escape');
  });

  it('with the tab of answers that have a shape', async () => {
    await page.getByRole('tab', { name: 'Structured' }).click();
    expect(await faults()).toEqual([]);
  });

  it('on the benchmark page', async () => {
    await page.goto(new URL('bench.html', demo.url).href);
    await addAxe();
    expect(await faults()).toEqual([]);
  });
});
