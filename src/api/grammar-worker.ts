// Starts a worker of this page for grammars. What that costs is paid when the first grammar is used: its script is a module of its own.

import { TernionError } from '../errors';
import { THREAD_READY, type ThreadGreeting } from '../grammar/protocol';
import type { GrammarThread } from '../grammar/thread-link';
import { ViolationWatch } from '../storage/http/violations';
import { concernsWorkers, GRAMMAR_WORKER, notStarted } from './start-failures';
import { WorkerScript } from './worker-script';

/** A worker that has not said that its script runs by then is none of ours, ms. The script may have to be downloaded first. */
const GREETING_MS = 30_000;

/** A thread whose port can be sent to another one. */
export interface WorkerThread extends GrammarThread {
  readonly port: MessagePort;
}

/**
 * Starts a worker for grammars, which `createGrammarWorker` makes where a page has its own way to. Rejects with `worker-unavailable` if
 * the page's policy forbids it, or its script is another one.
 */
export async function startGrammarWorker(
  createGrammarWorker: (() => Worker) | undefined,
  greetingMs = GREETING_MS,
): Promise<WorkerThread> {
  const watch = new ViolationWatch(concernsWorkers);
  let script: WorkerScript | undefined;
  let worker: Worker | undefined;
  try {
    if (createGrammarWorker) worker = createGrammarWorker();
    else {
      script = ownScript();
      worker = await script.start('ternion grammars');
    }
    await greeted(worker, greetingMs);
    return connect(worker);
  } catch (error) {
    worker?.terminate();
    // Without a worker it may be the script's own error, which says what is wrong.
    if (!worker && error instanceof TernionError) throw error;
    throw notStarted(GRAMMAR_WORKER, error, await watch.explanation());
  } finally {
    watch.stop();
    script?.release();
  }
}

function ownScript(): WorkerScript {
  if (typeof Worker === 'undefined') {
    throw new TernionError(
      'unsupported-feature',
      'Answers of a given shape take a worker, and here are none.',
    );
  }
  return new WorkerScript(() => import('../grammar/host/main?script-url'), GRAMMAR_WORKER);
}

/** Waits until the worker's script runs. */
async function greeted(worker: Worker, withinMs: number): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const onError = ({ message }: ErrorEvent): void => reject(new Error(message || 'Its script failed.'));
      const onMessage = ({ data }: MessageEvent): void => {
        if (data === THREAD_READY) resolve();
        else reject(new Error('It says something else than the script of Ternion.'));
      };
      worker.addEventListener('error', onError, { signal });
      worker.addEventListener('message', onMessage, { signal });
      timer = setTimeout(() => reject(new Error(`It did not answer in ${withinMs} ms.`)), withinMs);
    });
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}

function connect(worker: Worker): WorkerThread {
  const { port1, port2 } = new MessageChannel();
  const greeting: ThreadGreeting = { port: port2 };
  worker.postMessage(greeting, [port2]);
  const lost = new AbortController();
  worker.addEventListener('error', () => lost.abort(), { once: true });
  return { port: port1, lost: lost.signal, end: () => worker.terminate() };
}
