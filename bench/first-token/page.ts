// The page of `npm run bench -- first-token`: loads the embedded model as soon as it runs, asks a question, and tells when what came.

import { loadModel, type LoadTimes } from '../../src/index';

/** Times since navigation began, ms, and what the load waited for. */
export interface Visit {
  /** The page's script runs. */
  script: number;
  ready: number;
  firstToken: number;
  load: LoadTimes;
  /** Whether the model was in the cache. */
  text: string;
}

async function visit(): Promise<Visit> {
  const script = performance.now();
  const engine = await loadModel('ternion-tiny');
  const ready = performance.now();
  const stream = engine.createSession().send('Count from 3 to 9.', { temperature: 0, maxTokens: 12 });
  let firstToken = 0;
  let text = '';
  for await (const chunk of stream) {
    if (firstToken === 0) firstToken = performance.now();
    if ('text' in chunk) text += chunk.text;
  }
  const load = engine.info.loadTimes;
  // What is done behind the first answer is a part of the visit: the next one finds what it has left.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await engine.dispose();
  return { script, ready, firstToken, load, text };
}

Object.assign(globalThis, { visit: visit() });
