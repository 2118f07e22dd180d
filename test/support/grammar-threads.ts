// Threads for grammars in tests: the real host, beside whoever asks it, or scripts that misbehave in a thread of their own.
import { Worker } from 'node:worker_threads';
import { serveGrammars } from '../../src/grammar/host/serve';
import type { ThreadPort } from '../../src/grammar/protocol';
import type { GrammarVocabulary } from '../../src/grammar/service';
import type { GrammarThread } from '../../src/grammar/thread-link';

/** Both ends of a channel, as Node has them: the far one keeps no process alive. */
function channel(): { near: ThreadPort; far: MessagePort } {
  const { port1, port2 } = new MessageChannel();
  return { near: port1, far: port2 };
}

/** The host in this thread, over a channel. */
export async function inProcess(): Promise<GrammarThread> {
  const { near, far } = channel();
  serveGrammars(far);
  (far as unknown as ThreadPort).unref?.();
  return { port: near, end: () => far.close() };
}

/** A thread of Node's with a script of the test's, which gets a `port` and answers requests there. */
export async function scripted(script: string): Promise<GrammarThread> {
  const { near, far } = channel();
  const code = `require('node:worker_threads').parentPort.once('message', ({ port }) => { ${script} })`;
  const worker = new Worker(code, { eval: true });
  worker.unref();
  worker.postMessage({ port: far }, [far as never]);
  const lost = new AbortController();
  worker.once('error', () => lost.abort());
  worker.once('exit', () => lost.abort());
  return { port: near, lost: lost.signal, end: () => void worker.terminate() };
}

/** A vocabulary of texts and byte sequences. */
export function vocabularyOf(
  tokens: readonly (string | Uint8Array)[],
  endIds: readonly number[],
): GrammarVocabulary {
  const bytes = tokens.map((token) => (typeof token === 'string' ? new TextEncoder().encode(token) : token));
  return { tokens: () => bytes, endIds };
}

/** The ids whose bits are set. */
export function idsOf(mask: Uint32Array): number[] {
  return Array.from(mask).flatMap((word, at) =>
    Array.from({ length: 32 }, (_, bit) => at * 32 + bit).filter((_, bit) => (word >>> bit) & 1),
  );
}
