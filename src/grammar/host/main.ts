// The entry point of the thread for grammars: a module worker of a page, or one of Node's `worker_threads`.

import { THREAD_READY, type ThreadGreeting } from '../protocol';
import { serveGrammars } from './serve';

/** What Node gives a thread to speak to the one that started it. */
interface ParentPort {
  once(event: 'message', listener: (greeting: ThreadGreeting) => void): void;
  postMessage(message: unknown): void;
}

const { process } = globalThis as {
  process?: { getBuiltinModule?: (name: string) => { parentPort: ParentPort | null } };
};
const parentPort = process?.getBuiltinModule?.('node:worker_threads').parentPort;

const begin = ({ port }: ThreadGreeting): void => serveGrammars(port);
if (parentPort) {
  parentPort.once('message', begin);
  parentPort.postMessage(THREAD_READY);
} else if ('postMessage' in globalThis) {
  const listen = ({ data }: MessageEvent): void => begin(data as ThreadGreeting);
  addEventListener('message', listen, { once: true });
  (globalThis as unknown as Pick<Worker, 'postMessage'>).postMessage(THREAD_READY);
}
