// Offers to the tests: an engine whose worker loses its device when it is told to, and answers amid which it does.
import {
  loadModel,
  type Engine,
  type EngineStatus,
  type GenerateChunk,
  type StreamTransport,
} from '../../../src/index';
import { collect } from '../../support/collect';
import type { Order } from './losable.worker';
import { refusal, type Refusal } from './refusal';

/** What an answer came to, and what the engine said of its model meanwhile. */
export interface Answered {
  tokenIds: number[];
  text: string;
  statuses: EngineStatus[];
}

let worker: Worker;
let engine: Engine;
let losses = 0;
let statuses: EngineStatus[] = [];
/** An answer that is read in two parts: how many devices had been lost before, and what came of it. */
let before = 0;
let begun: ReadableStreamDefaultReader<GenerateChunk>;
let given: number[] = [];

const order = (what: Order): void => worker.postMessage(what);

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve));
}

function createLosable(): Worker {
  worker = new Worker(new URL('./losable.worker.ts', import.meta.url), { type: 'module' });
  worker.addEventListener('message', ({ data }) => {
    if (data === 'lost') losses++;
  });
  return worker;
}

async function answer(tokenIds: number[]): Promise<Answered> {
  const session = engine.createSession();
  const { tokenIds: ids, text } = await collect(session.generate({ tokenIds }));
  await session.dispose();
  return { tokenIds: ids, text, statuses: statuses.splice(0) };
}

Object.assign(globalThis, {
  async load(url: string, streamTransport: StreamTransport, suspendWhenHidden: number | false = false) {
    statuses = [];
    const onStatus = (status: EngineStatus): void => void statuses.push(status);
    const options = { createWorker: createLosable, streamTransport, suspendWhenHidden, onStatus };
    engine = await loadModel(url, options);
  },
  dispose: () => engine.dispose(),
  answer,

  /** Answers while the device is lost behind the worker's `submit`th submit. */
  async answerLosing(tokenIds: number[], submit: number): Promise<Answered> {
    order({ loseAtSubmit: submit });
    return answer(tokenIds);
  },

  /** Begins an answer and stops reading after `count` tokens. */
  async begin(tokenIds: number[], count: number): Promise<void> {
    before = losses;
    begun = engine.createSession().generate({ tokenIds }).getReader();
    given = [];
    while (given.length < count) given.push(...(await begun.read()).value!.tokenIds);
  },

  /** Reads on once a device was lost. All ids of the answer. */
  async goOn(): Promise<{ tokenIds: number[]; statuses: EngineStatus[] }> {
    await until(() => losses > before);
    for (;;) {
      const { done, value } = await begun.read();
      if (done) return { tokenIds: given, statuses: statuses.splice(0) };
      given.push(...value.tokenIds);
    }
  },

  /** Asks, loses the device when nobody uses it, asks on. What the second answer is. */
  async converse(first: string, second: string): Promise<string> {
    const session = engine.createSession();
    await collect(session.send(first));
    const before = losses;
    order('lose');
    await until(() => losses > before);
    const { text } = await collect(session.send(second));
    await session.dispose();
    statuses = [];
    return text;
  },

  /** Suspends the engine amid an answer; bytes on the GPU then, whether the device was given back, and the whole answer. */
  async suspendAmid(tokenIds: number[]) {
    const before = losses;
    const session = engine.createSession();
    const reader = session.generate({ tokenIds }).getReader();
    const first = await reader.read();
    const ids = [...first.value!.tokenIds];
    const rest = (async (): Promise<void> => {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        ids.push(...value.tokenIds);
      }
    })();
    await engine.suspend();
    const { gpuBytes } = engine.info;
    await until(() => losses > before);
    await engine.resume();
    const { gpuBytes: resumed } = engine.info;
    await rest;
    await session.dispose();
    return { gpuBytes, resumed, tokenIds: ids, statuses: statuses.splice(0) };
  },

  /** Hides the page, as far as it can see, until the engine is suspended. */
  async hide(): Promise<EngineStatus[]> {
    Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
    await until(() => statuses.includes('suspended'));
    return statuses.splice(0);
  },

  /** What a wrong option is refused with. */
  loadWrong: (url: string): Promise<Refusal | undefined> =>
    refusal(() => loadModel(url, { suspendWhenHidden: -1 })),
});
