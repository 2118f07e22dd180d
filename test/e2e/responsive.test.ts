// A page goes on answering its visitor while a model loads: nothing that the load does on it takes long.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Browser, Page } from 'playwright';
import { GeneratedModel } from '../../bench/core/generated-model';
import { SHAPES } from '../../bench/core/shapes';
import { chromiumUnavailable, launchChromium, NO_TIMEOUT } from '../support/chromium';
import { FaultServer } from '../support/fault-server';
import { servePages, type Served } from '../support/serve';

/** 12 layers with a large embedding: a file of 120 MB. */
const SHAPE = { ...SHAPES['125m'], vocabulary: 64_000 };

/** What browsers call a long task, ms: longer, and a visitor notices. */
const LONG = 50;

/** An event of Chromium's tracing. Times in µs; `tdur` is the processor's time, which other processes take nothing of. */
interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  tdur?: number;
  args?: { name?: string };
}

const reason = chromiumUnavailable();

// Only Chromium says how much of the processor's time a task took.
describe.skipIf(reason)(`in Chromium${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let pages: Served;
  let files: FaultServer;
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    pages = await servePages();
    const model = new GeneratedModel('generated', SHAPE);
    files = await FaultServer.start({
      '/model.gguf': { bytes: await model.read(0, model.size), etag: '"1"' },
    });
    browser = await launchChromium();
    page = await browser.newPage();
    page.setDefaultTimeout(NO_TIMEOUT);
    await page.goto(`${pages.url}test/e2e/pages/engine.html`);
  });
  afterAll(async () => {
    await browser.close();
    await pages.close();
    await files.close();
  });

  /** Runs `expression` in the page; the processor's time of each task of its main thread meanwhile, in ms, longest first. */
  async function tasksDuring(expression: string): Promise<number[]> {
    await browser.startTracing(page, { categories: ['toplevel'] });
    await page.evaluate(expression);
    // The answer is sent within a task; by the answer to the next question that task has ended and is in the trace.
    await page.evaluate('0');
    const trace = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
    const mains = trace.traceEvents.filter(
      ({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain',
    );
    const isOfPage = ({ pid, tid }: TraceEvent): boolean =>
      mains.some((main) => main.pid === pid && main.tid === tid);
    return trace.traceEvents
      .filter((event) => event.name.endsWith('RunTask') && event.tdur !== undefined && isOfPage(event))
      .map(({ tdur }) => tdur! / 1000)
      .sort((a, b) => b - a);
  }

  it('a task of the page that is long shows', async () => {
    // Work that no processor does in 50 ms.
    const [longest] = await tasksDuring('spin(1e9)');
    expect(longest).toBeGreaterThan(LONG);
  });

  it.each(['/models/ternion-tiny-i2_s.gguf', '120 MB'])('loading %s makes no long task', async (source) => {
    const address = source === '120 MB' ? `${files.origin}/model.gguf` : source;
    const tasks = await tasksDuring(`loadOnce(${JSON.stringify(address)})`);
    // Otherwise this would say nothing of the load.
    expect(tasks.length).toBeGreaterThan(20);
    expect(tasks.filter((ms) => ms > LONG)).toEqual([]);
    if (source === '120 MB') expect(files.bytesSent).toBeGreaterThan(100e6);
  });
});
