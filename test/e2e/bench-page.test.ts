// The benchmark page, used by keyboard: it measures the built-in model, says in words what came of it, and gives a report that
// can be sent in.
import { readFile } from 'node:fs/promises';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SCHEMA_VERSION, type Report } from '../../bench/core/report';
import { faultsOf } from '../../bench/core/report-shape';
import { chromiumUnavailable, launchChromium, NO_TIMEOUT } from '../support/chromium';
import { serveDemoSources, type Served } from '../support/serve';

const reason = chromiumUnavailable();

describe.skipIf(reason)(`the benchmark page${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let server: Served;
  let browser: Browser;
  let page: Page;
  let report: Report;
  const errors: string[] = [];

  beforeAll(async () => {
    server = await serveDemoSources();
    browser = await launchChromium();
    page = await browser.newPage();
    page.setDefaultTimeout(NO_TIMEOUT);
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(`${server.url}bench.html?few`);
    await page.getByRole('combobox', { name: 'Model' }).selectOption({ label: 'Built-in model' });
    await page.getByRole('button', { name: 'Run' }).press('Enter');
    await page
      .getByRole('status')
      .filter({ hasText: /^Done\./ })
      .waitFor();
    report = JSON.parse(
      await page.getByRole('textbox', { name: 'The figures as JSON' }).inputValue(),
    ) as Report;
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    expect(errors).toEqual([]);
  });

  it('gives a report of this version that has the shape of one', () => {
    expect(faultsOf(report)).toEqual([]);
    expect(report.schemaVersion).toBe(SCHEMA_VERSION);
    expect(report.environment).toContain('Chrome/');
    expect(report.adapter.architecture).toBe('swiftshader');
  });

  it('has in it what a step takes, and what the tuner saw and chose', () => {
    const [model] = report.models;
    expect(model).toMatchObject({ model: 'tiny', weightEncoding: 'I2_S' });
    // Four layers of nine dispatches at the least, a head and a sampler: docs/architecture.md.
    expect(model?.dispatches.decode).toBeGreaterThan(20);
    expect(model?.cpu.encode.samples).toBeGreaterThan(0);
    expect(model?.decode.filter((speed) => 'time' in speed).length).toBeGreaterThan(0);
    expect(Object.keys(model?.tuning?.chosen ?? {}).join()).toMatch(/decodeMatmul.*prefillMatmul.*attention/);
    expect(model?.tuning?.rejected).toEqual([]);
  });

  it('says the verdict in words where it is done, and leaves the focus at the button', async () => {
    const sentence = page
      .getByRole('status')
      .filter({ hasText: /Decode (reads|multiplies) [\d.]+ % of what this adapter can/ });
    expect(await sentence.count()).toBe(1);
    const run = page.getByRole('button', { name: 'Run' });
    expect(await run.evaluate((button) => button === document.activeElement)).toBe(true);
  });

  it('shows it beside what others have measured, as tables that can be read', async () => {
    const chart = page.getByRole('table', { name: 'Decoding, tokens a second' });
    const own = chart.getByRole('row').filter({ hasText: '(yours)' });
    expect(await own.count()).toBe(1);
    const saved = JSON.parse(await readFile('bench/results/llvmpipe.json', 'utf8')) as Report;
    expect(await chart.getByRole('rowheader', { name: saved.adapter.description }).count()).toBe(1);
  });

  it('draws bars as long as the shares that they stand for', async () => {
    const bars = page.getByRole('table', { name: 'Share of what this GPU can do' }).locator('.gauge');
    const drawn = await bars.evaluateAll((all) =>
      all.map((bar) => bar.getBoundingClientRect().width / bar.parentElement!.getBoundingClientRect().width),
    );
    const [model] = report.models;
    const shares = [...(model?.decode ?? []), ...(model?.prefill ?? [])].flatMap((speed) =>
      'skipped' in speed ? [] : [speed.efficiencyOfBest],
    );
    const longest = Math.max(1, ...shares);
    expect(drawn.length).toBe(shares.length);
    for (const [i, width] of drawn.entries()) expect(width).toBeCloseTo(shares[i]! / longest, 1);
  });

  it('saves the same report as a file', async () => {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download JSON' }).press('Enter'),
    ]);
    expect(download.suggestedFilename()).toMatch(/swiftshader.*\.json$/);
    expect(JSON.parse(await readFile(await download.path(), 'utf8'))).toEqual(report);
  });
});
