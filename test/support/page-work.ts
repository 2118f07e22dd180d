// What the main thread of a page in Chromium does meanwhile, from the browser's own trace.
import type { Browser, Page } from 'playwright';

/** An event of Chromium's tracing. Times in µs; `tdur` is the processor's time, which other processes take nothing of. */
interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  tdur?: number;
  args?: {
    name?: string;
    /** Of a pass of styles: elements that got new ones. */
    elementCount?: number;
    /** Of a layout: objects that had to be laid out. */
    beginData?: { dirtyObjects?: number };
  };
}

/** What a page touched to draw itself, whatever time that took. */
export interface Layouts {
  /** Elements of each pass of styles, and objects of each layout, in their order. */
  styles: number[];
  layouts: number[];
}

/** Categories of Chromium's tracing: one is of tasks alone, as every event more takes some of the time of a task. */
const TASKS = ['toplevel'];
const LAYOUTS = ['devtools.timeline'];

/** The processor's time of each task of the page's main thread while `act` runs, ms, longest first. */
export async function tasksDuring(
  browser: Browser,
  page: Page,
  act: () => Promise<unknown>,
): Promise<number[]> {
  const events = await trace(browser, page, TASKS, act);
  return figures(events, 'RunTask', ({ tdur }) => tdur && tdur / 1000).sort((a, b) => b - a);
}

/** What the page touches while `act` runs. */
export async function layoutsDuring(
  browser: Browser,
  page: Page,
  act: () => Promise<unknown>,
): Promise<Layouts> {
  const events = await trace(browser, page, LAYOUTS, act);
  return {
    styles: figures(events, 'UpdateLayoutTree', ({ args }) => args?.elementCount),
    layouts: figures(events, 'Layout', ({ args }) => args?.beginData?.dirtyObjects),
  };
}

/** The events of the page's main thread while `act` runs. */
async function trace(
  browser: Browser,
  page: Page,
  categories: string[],
  act: () => Promise<unknown>,
): Promise<TraceEvent[]> {
  await browser.startTracing(page, { categories });
  await act();
  // What ends `act` is said within a task; by the answer to the next question that task has ended and is in the trace.
  await page.evaluate('0');
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as {
    traceEvents: TraceEvent[];
  };
  const mains = traceEvents.filter(
    ({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain',
  );
  return traceEvents.filter(({ pid, tid }) => mains.some((main) => main.pid === pid && main.tid === tid));
}

function figures(
  events: readonly TraceEvent[],
  name: string,
  figure: (event: TraceEvent) => number | undefined,
): number[] {
  return events.filter((event) => event.name.endsWith(name)).flatMap((event) => figure(event) ?? []);
}
