// The built demo in Chromium, as a visitor has it: found by roles and labels. It is built once for all files of a run.
import type { Browser, Locator, Page } from 'playwright';
import { launchChromium, NO_TIMEOUT } from './chromium';
import { serveDemo } from './serve';

export interface DemoPage {
  url: string;
  browser: Browser;
  page: Page;
  /** What the page has thrown, or written to the console as an error. */
  errors: readonly string[];
  /** The n-th answer of the conversation, from 1. */
  answer: (n: number) => Locator;
  /** Resolves when that answer has ended. */
  finished: (n: number) => Promise<void>;
  /** Asks, and gives the text of the answer, which is the n-th. */
  ask: (question: string, n: number) => Promise<string>;
  close: () => Promise<void>;
}

/** Opens the demo, and waits until its model is loaded. */
export async function openDemo(): Promise<DemoPage> {
  const server = await serveDemo();
  const browser = await launchChromium();
  const page = await browser.newPage({ viewport: { width: 1100, height: 800 } });
  page.setDefaultTimeout(NO_TIMEOUT);
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(server.url);
  await page.getByRole('button', { name: 'Send' }).and(page.locator(':enabled')).waitFor();

  const answer = (n: number): Locator => page.getByRole('article', { name: `Answer ${n}`, exact: true });
  const finished = (n: number): Promise<void> =>
    answer(n)
      .locator('summary')
      .filter({ hasText: /complete|stopped|length/ })
      .waitFor();
  const ask = async (question: string, n: number): Promise<string> => {
    await page.getByRole('textbox', { name: 'Message', exact: true }).fill(question);
    await page.keyboard.press('Enter');
    await finished(n);
    return answer(n).locator('.text').innerText();
  };
  const close = async (): Promise<void> => {
    await browser.close();
    await server.close();
  };
  return { url: server.url, browser, page, errors, answer, finished, ask, close };
}
