// Where results of benchmarks are kept: for each adapter a file of figures, and the same as a page to be read.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { adapterSlug, mergeReports, type Report } from './core/report';
import { markdown } from './core/tables';

/** The folder of results. */
export const RESULTS = 'bench/results';

/** Adds `report` to what is known of its adapter; resolves to the paths that were written. */
export async function saveReport(report: Report): Promise<string[]> {
  const path = join(RESULTS, adapterSlug(report.adapter));
  const older = await readFile(`${path}.json`, 'utf8').catch(() => undefined);
  const merged = mergeReports(older === undefined ? undefined : (JSON.parse(older) as Report), report);
  await mkdir(RESULTS, { recursive: true });
  await writeFile(`${path}.json`, `${JSON.stringify(merged, null, 2)}\n`);
  await writeFile(`${path}.md`, markdown(merged));
  return [`${path}.json`, `${path}.md`];
}
