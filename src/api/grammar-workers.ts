// The page's side of the threads for grammars: the engine's worker has them started and ended, as it has neither their script nor a
// way to start workers that works in every browser.

import { transfer } from 'comlink';
import { TernionError } from '../errors';
import { outcomeOf, type GrammarThreads, type Outcome } from '../worker/protocol';
import { startGrammarWorker } from './grammar-worker';

/** The grammar workers of one engine's worker, by number. */
export class GrammarWorkers implements GrammarThreads {
  readonly #ends = new Map<number, () => void>();
  #closed = false;

  constructor(private readonly createGrammarWorker: (() => Worker) | undefined) {}

  async start(thread: number): Promise<Outcome<MessagePort>> {
    const outcome = await outcomeOf(async () => {
      const worker = await startGrammarWorker(this.createGrammarWorker);
      const end = (): void => worker.end();
      if (this.#closed) {
        end();
        throw new TernionError('disposed', 'The engine was disposed.');
      }
      this.#ends.set(thread, end);
      return worker.port;
    });
    return 'value' in outcome ? transfer(outcome, [outcome.value]) : outcome;
  }

  end(thread: number): void {
    this.#ends.get(thread)?.();
    this.#ends.delete(thread);
  }

  /** Ends all of them, for good. */
  close(): void {
    this.#closed = true;
    for (const thread of [...this.#ends.keys()]) this.end(thread);
  }
}
