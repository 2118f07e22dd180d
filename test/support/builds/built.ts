// What was built for the test files of a run, as they ask for it.
import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import { inject } from 'vitest';
import type { BuildName } from './setup';

/** The folder that holds the built pages, demo or package; built when a file of the run first asks, which takes seconds. Read only. */
export async function builtFolder(name: BuildName): Promise<string> {
  // No `fetch`, which gives up after five minutes.
  const [status, body] = await new Promise<[number | undefined, string]>((resolve, reject) => {
    get(inject('builds') + name, (response) => {
      text(response).then((body) => resolve([response.statusCode, body]), reject);
    }).on('error', reject);
  });
  if (status !== 200) throw new Error(`Building ${name} failed: ${body}`);
  return body;
}
