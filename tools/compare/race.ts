// One answer by one engine, in a fresh page of Chromium, timed in the page.

import type { Page } from 'playwright';

/** Who answers: Ternion; or wllama, with all layers on the CPU or on the GPU. */
export type Runner = 'ternion' | 'wllama-cpu' | 'wllama-gpu';

export interface Race {
  runner: Runner;
  /** Path of the model on the server. */
  model: string;
  /** Tokens of the answer. */
  tokens: number;
}

/** What was measured. Times in milliseconds. */
export interface Lap {
  /** From nothing to a model that can be asked. */
  load: number;
  /** From the question to its first token. */
  first: number;
  /** Between tokens, the first left out: the mean. */
  perToken: number;
  tokens: number;
  /** Adapter of WebGPU, or threads. */
  on: string;
}

const PROMPT = 'What is the capital of Peru?';

/** When what happened, ms of the page's clock. */
interface Times {
  begin: number;
  loaded: number;
  /** Of each token. */
  tokens: number[];
  on: string;
}

/** The files that pages import are served at `/ternion/` and `/wllama/`. */
export async function run(page: Page, race: Race): Promise<Lap> {
  const { begin, loaded, tokens, on } = await answer(page, race);
  const [first = NaN] = tokens;
  const last = tokens.at(-1) ?? NaN;
  const perToken = (last - first) / (tokens.length - 1);
  return { load: loaded - begin, first: first - loaded, perToken, tokens: tokens.length, on };
}

function answer(page: Page, { runner, model, tokens }: Race): Promise<Times> {
  const task = { model, tokens, prompt: PROMPT };
  if (runner === 'ternion') return page.evaluate(ternion, task);
  return page.evaluate(wllama, { ...task, layers: runner === 'wllama-gpu' ? 999 : 0 });
}

interface Task {
  model: string;
  tokens: number;
  prompt: string;
}

/** In the page. */
async function ternion({ model, tokens, prompt }: Task): Promise<Times> {
  interface Engine {
    info: { adapter: { vendor: string; architecture: string } };
    createSession(): { generate(prompt: string, options: object): AsyncIterable<{ tokenIds: number[] }> };
    dispose(): Promise<void>;
  }
  const path = '/ternion/index.js';
  const { loadModel } = (await import(/* @vite-ignore */ path)) as {
    loadModel: (source: string) => Promise<Engine>;
  };
  const begin = performance.now();
  const engine = await loadModel(model);
  const loaded = performance.now();
  const times: number[] = [];
  for await (const { tokenIds } of engine.createSession().generate(prompt, { maxTokens: tokens }))
    for (let i = 0; i < tokenIds.length; i++) times.push(performance.now());
  const { vendor, architecture } = engine.info.adapter;
  await engine.dispose();
  return { begin, loaded, tokens: times, on: `${vendor} ${architecture}` };
}

/** In the page. */
async function wllama({ model, tokens, prompt, layers }: Task & { layers: number }): Promise<Times> {
  interface Engine {
    loadModelFromUrl(url: string, options: object): Promise<void>;
    createCompletion(options: object): Promise<AsyncIterable<unknown>>;
    getNumThreads(): number;
    exit(): Promise<void>;
  }
  const path = '/wllama/index.min.js';
  const { Wllama } = (await import(/* @vite-ignore */ path)) as { Wllama: new (paths: object) => Engine };
  const begin = performance.now();
  const engine = new Wllama({ default: '/wllama/wasm/wllama.wasm' });
  await engine.loadModelFromUrl(location.origin + model, {
    n_gpu_layers: layers,
    n_ctx: 1024,
    useCache: false,
  });
  const loaded = performance.now();
  const times: number[] = [];
  const options = { prompt, max_tokens: tokens, temperature: 0, stream: true, ignore_eos: true };
  const reader = (await engine.createCompletion(options))[Symbol.asyncIterator]();
  while (!(await reader.next()).done) times.push(performance.now());
  // The last chunk only says why the answer has ended.
  times.length = Math.min(times.length, tokens);
  const on = `${engine.getNumThreads()} threads`;
  await engine.exit();
  return { begin, loaded, tokens: times, on };
}
