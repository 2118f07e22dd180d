// Records what a server answers to `ternion/connect`: `node tools/record-server.mjs URL GROUP`.

import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { GROUPS } from '../test/support/server-questions';
import type { Exchange, Recording } from '../test/support/server-recordings';
import { recordingFetch } from './record-server/recording-fetch';
import { SCRIPTS, scriptedModel } from './record-server/scripted-model';

const TEMPLATE = 'test/fixtures/servers/llama-server/template.jinja';

const USAGE = `Usage: node tools/record-server.mjs URL GROUP [KEY] > FILE.json
       node tools/record-server.mjs model ${Object.keys(SCRIPTS).join('|')} FILE.gguf

The first asks the llama-server at URL, such as http://127.0.0.1:8080, the questions of GROUP, and prints the recording:
${Object.keys(GROUPS).join(', ')}; test/support/server-questions.ts has them, and says of which server each is asked.
With KEY it is asked for its version alone.
The second writes the model that is to be there, which says the same words each time.`;

const isKey = <T extends object>(name: string | undefined, of: T): name is Extract<keyof T, string> =>
  name !== undefined && Object.hasOwn(of, name);

async function main([first, name, last]: readonly string[]): Promise<number> {
  if (first === 'model' && isKey(name, SCRIPTS) && last !== undefined) {
    await writeFile(last, scriptedModel(SCRIPTS[name], await readFile(TEMPLATE, 'utf8')));
    return 0;
  }
  if (first === undefined || !isKey(name, GROUPS)) {
    console.error(USAGE);
    return 1;
  }
  const recording = await record(first.replace(/\/$/, ''), name, last);
  process.stdout.write(`${JSON.stringify(recording, null, 1)}\n`);
  return 0;
}

async function record(
  origin: string,
  group: keyof typeof GROUPS,
  key: string | undefined,
): Promise<Recording> {
  const questions: Recording['questions'] = {};
  for (const [name, ask] of Object.entries(GROUPS[group])) {
    const exchanges: Exchange[] = [];
    await ask({ baseURL: `${origin}/v1`, fetch: recordingFetch(exchanges) });
    questions[name] = exchanges;
  }
  return { version: await versionOf(origin, key), questions };
}

/** `build_info` of llama-server, which it says once its model is loaded. */
async function versionOf(origin: string, key: string | undefined): Promise<string> {
  const headers = new Headers(key === undefined ? [] : [['authorization', `Bearer ${key}`]]);
  for (;;) {
    const response = await fetch(`${origin}/props`, { headers });
    const { build_info: version } = (await response.json()) as { build_info?: string };
    if (version !== undefined) return version;
    if (response.status !== 503) throw new Error(`${origin} does not say its version (${response.status}).`);
    await sleep(100);
  }
}

process.exit(await main(process.argv.slice(2)));
