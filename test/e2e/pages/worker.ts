// Offers to the tests: loading with a worker that can be ended at any moment, or with one that is none of Ternion's.
import { WorkerLink, type LinkOptions } from '../../../src/api/worker-link';
import { loadModel, planModel, type Engine, type StreamTransport } from '../../../src/index';
import type { GenerateChunk } from '../../../src/engine/types';
import type { Order } from './doomed.worker';
import { refusal, type Refusal } from './refusal';

/** How the worker ends: from outside or by itself. */
export type Death = 'terminate' | 'close';

/** Scripts that are not Ternion's. */
const SCRIPTS = {
  silent: '',
  stuck: 'for (;;);',
  echo: 'onmessage = ({ data }) => postMessage(data)',
  'throws at once': 'throw new Error("no")',
};
type Script = keyof typeof SCRIPTS | 'missing';

let worker: Worker;
let engine: Engine;
/** Whether Ternion has ended the worker. */
let terminated = false;

function createDoomed(): Worker {
  worker = new Worker(new URL('./doomed.worker.ts', import.meta.url), { type: 'module' });
  terminated = false;
  const terminate = worker.terminate.bind(worker);
  worker.terminate = () => {
    terminated = true;
    terminate();
  };
  return worker;
}

function createWrong(script: Script): Worker {
  if (script === 'missing') return new Worker('/no-such-worker.js', { type: 'module' });
  return new Worker(URL.createObjectURL(new Blob([SCRIPTS[script]], { type: 'text/javascript' })));
}

function end(how: Death): void {
  if (how === 'terminate') Worker.prototype.terminate.call(worker);
  else order('close');
}

const order = (what: Order): void => worker.postMessage(what);
const nextTask = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve));

async function load(url: string, streamTransport: StreamTransport): Promise<void> {
  engine = await loadModel(url, { createWorker: createDoomed, streamTransport });
}

Object.assign(globalThis, {
  load,
  dispose: () => engine.dispose(),

  /** What each kind of call is refused with; disposing of a session is none of them. */
  async refusedCalls(): Promise<(Refusal | undefined)[]> {
    await using session = engine.createSession();
    return [
      await refusal(() => engine.nextLogits([1])),
      await refusal(() => engine.tokenize('x')),
      await refusal(() => session.send('Hello').getReader().read()),
      await refusal(() => engine.load('/x.gguf')),
    ];
  },

  /** Ends the worker amid two answers, of which one is being read. What those that wait for them are refused with. */
  async endAmidAnswers(how: Death): Promise<(Refusal | undefined)[]> {
    const [idle, read] = [0, 1].map(() => engine.createSession().send('Tell me a story.').getReader());
    await idle!.read();
    await read!.read();
    const rest = async (reader: ReadableStreamDefaultReader<GenerateChunk>): Promise<void> => {
      while (!(await reader.read()).done);
    };
    const reading = refusal(() => rest(read!));
    const logits = refusal(() => engine.nextLogits([1]));
    await nextTask();
    end(how);
    // Nobody reads the first: its stream says so by itself.
    return Promise.all([reading, logits, refusal(() => idle!.closed)]);
  },

  /** Ends the worker at the first word of a load. */
  endAmidLoad: (url: string, how: Death) =>
    refusal(() => loadModel(url, { createWorker: createDoomed, onProgress: () => end(how), cache: false })),

  /** Loads with a script that is not Ternion's, with the patience that loads have. */
  loadWrong: (url: string, script: Script) =>
    refusal(() => loadModel(url, { createWorker: () => createWrong(script) })),

  /** Starts a script that is not Ternion's, with little patience. */
  startWrong: (script: Script) =>
    refusal(() => WorkerLink.start('wrong', { createWorker: () => createWrong(script), greetingMs: 300 })),

  /** Aborts while the worker never answers. */
  async abortStuck(url: string, what: 'load' | 'plan'): Promise<Refusal | undefined> {
    const control = new AbortController();
    const options = { signal: control.signal, createWorker: () => createWrong('stuck') };
    const refused = refusal(() => (what === 'load' ? loadModel(url, options) : planModel(url, options)));
    setTimeout(() => control.abort(), 50);
    return refused;
  },

  /** Aborts a load whose worker has begun and is busy for ever, and waits until Ternion has ended that worker. */
  async abortBusyLoad(url: string): Promise<Refusal | undefined> {
    const control = new AbortController();
    const onProgress = (): void => {
      order({ busyMs: Infinity });
      setTimeout(() => control.abort(), 50);
    };
    const refused = await refusal(() =>
      loadModel(url, { createWorker: createDoomed, signal: control.signal, onProgress }),
    );
    while (!terminated) await nextTask();
    return refused;
  },

  /** Keeps a worker busy, and asks it something meanwhile; resolves when that is answered. */
  async askBusy(ms: number): Promise<void> {
    const link = await WorkerLink.start('doomed', { createWorker: createDoomed });
    order({ busyMs: ms });
    await link.call((api) => api.ping());
    link.close();
  },

  /** Ends a worker of which nothing was asked; without Web Locks, where a page has none, it has a heartbeat. */
  async endIdle(how: Death, locks: boolean): Promise<Refusal | undefined> {
    if (!locks) Object.defineProperty(navigator, 'locks', { value: undefined, configurable: true });
    const heartbeat: LinkOptions = { heartbeat: { intervalMs: 20, patience: 5 } };
    const link = await WorkerLink.start('doomed', { createWorker: createDoomed, ...(!locks && heartbeat) });
    await link.call((api) => api.ping());
    end(how);
    const refused = await refusal(() => link.call((api) => api.ping()));
    link.close();
    return refused;
  },
});
