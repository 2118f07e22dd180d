// One way to test in Chromium and Firefox alike: open a page, call the functions it offers, read what it complained about.
import { afterAll, beforeAll, describe } from 'vitest';
import { chromiumUnavailable, launchChromium, NO_TIMEOUT } from './chromium';
import { firefoxUnavailable, launchFirefox } from './firefox';

/** A page that is open in a browser. */
export interface TestPage {
  /** What the page threw and nobody caught, and what it wrote with console.error. */
  readonly errors: string[];
  /** Calls a function that the page has put on `globalThis`; arguments and result travel as JSON. */
  call<Result>(name: string, ...args: unknown[]): Promise<Result>;
  /** The value of a JavaScript expression, or of the promise it gives. */
  evaluate<Result>(expression: string): Promise<Result>;
  /** Opens another page with the same storage, as in another tab. */
  openTab(url: string): Promise<TestPage>;
  close(): Promise<void>;
}

/** A running browser. */
export interface TestBrowser {
  /** Opens a page and waits until its modules have run. Pages of one origin share their storage. */
  open: (url: string) => Promise<TestPage>;
  close: () => Promise<void>;
}

/** A browser that tests may run in. */
export interface BrowserKind {
  name: 'Chromium' | 'Firefox';
  /** Why it cannot run here; undefined if it can. */
  unavailable: string | undefined;
  launch: () => Promise<TestBrowser>;
}

/** The part of a page object that Playwright and Puppeteer write alike. */
interface Evaluator {
  evaluate(expression: string): Promise<unknown>;
  close(): Promise<void>;
}

/** JSON both ways: the drivers differ in what else they can carry. */
function testPage(page: Evaluator, errors: string[], openTab: TestPage['openTab']): TestPage {
  const evaluate = async <Result>(expression: string): Promise<Result> => {
    const json = await page.evaluate(`(async () => JSON.stringify({ result: await (${expression}) }))()`);
    return (JSON.parse(String(json)) as { result: Result }).result;
  };
  return {
    errors,
    evaluate,
    call: (name, ...args) => evaluate(`globalThis[${JSON.stringify(name)}](...${JSON.stringify(args)})`),
    openTab,
    close: () => page.close(),
  };
}

async function startChromium(): Promise<TestBrowser> {
  const browser = await launchChromium();
  const context = await browser.newContext();
  const open = async (url: string): Promise<TestPage> => {
    const page = await context.newPage();
    const errors: string[] = [];
    page.setDefaultTimeout(NO_TIMEOUT);
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    await page.goto(url);
    return testPage(page, errors, open);
  };
  return { open, close: () => browser.close() };
}

async function startFirefox(): Promise<TestBrowser> {
  const { browser, close } = await launchFirefox();
  const open = async (url: string): Promise<TestPage> => {
    const errors: string[] = [];
    const page = await browser.newPage();
    page.setDefaultTimeout(NO_TIMEOUT);
    page.on('pageerror', (error) => errors.push(error instanceof Error ? error.message : String(error)));
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    await page.goto(url);
    return testPage(page, errors, open);
  };
  return { open, close };
}

export const chromium: BrowserKind = {
  name: 'Chromium',
  unavailable: chromiumUnavailable(),
  launch: startChromium,
};

export const firefox: BrowserKind = {
  name: 'Firefox',
  unavailable: firefoxUnavailable(),
  launch: startFirefox,
};

/** TERNION_BROWSER names the one browser to test with, in small letters. */
function isWanted({ name }: BrowserKind): boolean {
  const wanted = process.env.TERNION_BROWSER;
  return !wanted || wanted === name.toLowerCase();
}

/**
 * A `describe` for each browser; `open` is good in its hooks and tests. Where a browser is missing, its tests are
 * skipped, and the title says why.
 */
export function inBrowsers(
  body: (open: TestBrowser['open'], kind: BrowserKind) => void,
  kinds: readonly BrowserKind[] = [chromium, firefox],
): void {
  for (const kind of kinds.filter(isWanted)) {
    const title = kind.unavailable ? `${kind.name} (skipped: ${kind.unavailable})` : kind.name;
    describe.skipIf(kind.unavailable)(title, () => {
      let browser: TestBrowser | undefined;
      beforeAll(async () => {
        browser = await kind.launch();
      });
      afterAll(() => browser?.close());
      body((url) => browser?.open(url) ?? Promise.reject(new Error('The browser is not running yet')), kind);
    });
  }
}
