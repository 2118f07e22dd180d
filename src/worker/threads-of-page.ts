// The engine's way to threads for grammars, which its page starts and ends.

import type { Remote } from 'comlink';
import type { StartGrammarThread } from '../grammar/thread-link';
import { valueOf, type GrammarThreads } from './protocol';

/** Has the page start a thread whenever one is needed. */
export function threadsOfPage(threads: Remote<GrammarThreads>): StartGrammarThread {
  let count = 0;
  return async () => {
    const thread = count++;
    const port = valueOf(await threads.start(thread));
    return { port, end: () => void threads.end(thread) };
  };
}
