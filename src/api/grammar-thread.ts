// Starts a thread for grammars for an engine in this thread: a worker of this page, or a thread of Node's.

import { TernionError } from '../errors';
import { THREAD_READY, type ThreadGreeting, type ThreadPort } from '../grammar/protocol';
import type { GrammarThread, StartGrammarThread } from '../grammar/thread-link';
import { startGrammarWorker } from './grammar-worker';

/** What is used of a Worker of Node's `worker_threads`. */
interface NodeWorker {
  once(event: 'message' | 'error' | 'exit', listener: (value: unknown) => void): void;
  postMessage(message: unknown, transfer: unknown[]): void;
  terminate(): Promise<number>;
  unref(): void;
}

/** What Node has of threads. */
interface NodeThreads {
  Worker: new (script: URL) => NodeWorker;
}

/** The script of the entry `ternion/grammar`, beside the module that this one is part of when it is built. */
const SCRIPT = './grammar.js';

/** Where an engine in this thread has its threads for grammars from. */
export function grammarThreadsHere(createGrammarWorker: (() => Worker) | undefined): StartGrammarThread {
  return async () => {
    const threads = createGrammarWorker ? undefined : nodeThreads();
    return threads ? startNodeThread(threads) : startGrammarWorker(createGrammarWorker);
  };
}

/** Asked for at run time: bundlers for pages would look for a module of Node's that is imported. */
function nodeThreads(): NodeThreads | undefined {
  const { process } = globalThis as {
    process?: { getBuiltinModule?: (name: string) => NodeThreads | undefined };
  };
  return process?.getBuiltinModule?.('node:worker_threads');
}

async function startNodeThread({ Worker }: NodeThreads): Promise<GrammarThread> {
  const script = new URL(SCRIPT, import.meta.url);
  const worker = new Worker(script);
  const lost = new AbortController();
  worker.once('exit', () => lost.abort());
  try {
    await new Promise<void>((resolve, reject) => {
      worker.once('message', (word) =>
        word === THREAD_READY ? resolve() : reject(new Error('It is another script.')),
      );
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error('It has ended.')));
    });
  } catch (cause) {
    const message = `The thread for grammars did not start: ${script.href} has to be the script ternion/grammar.`;
    throw new TernionError('worker-unavailable', message, { cause });
  }
  // The process ends when all else has ended.
  worker.unref();
  const { port1, port2 } = new MessageChannel();
  const greeting: ThreadGreeting = { port: port2 };
  worker.postMessage(greeting, [port2]);
  const port = port1 as unknown as ThreadPort;
  return { port, lost: lost.signal, end: () => void worker.terminate() };
}
