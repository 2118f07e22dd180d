// `npm run bench -- add FILE`: adds a report that somebody has sent to the results, after a look at its shape.

import { readFile } from 'node:fs/promises';
import { argv } from 'node:process';
import type { Report } from './core/report';
import { faultsOf } from './core/report-shape';
import { saveReport } from './save-report';

async function main(): Promise<void> {
  const [path] = argv.slice(2);
  if (!path) throw new Error('Which file? npm run bench -- add FILE');
  const json: unknown = JSON.parse(await readFile(path, 'utf8'));
  const faults = faultsOf(json);
  if (faults.length > 0) {
    console.error([`${path} is no report:`, ...faults].join('\n  '));
    process.exitCode = 1;
    return;
  }
  console.log(`Saved as ${(await saveReport(json as Report)).join(' and ')}`);
}

await main();
