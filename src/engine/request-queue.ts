// Requests use the GPU one at a time, in the order in which they came.

import { throwIfAborted } from '../errors';

/** A first-in, first-out lock. */
export class RequestQueue {
  #held = false;
  readonly #waiting: (() => void)[] = [];

  /** Whether someone waits for the one who holds the lock. */
  get contended(): boolean {
    return this.#waiting.length > 0;
  }

  /** Resolves when it is the caller's turn; rejects with `aborted` if `signal` fires before. */
  async enter(signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    if (!this.#held) {
      this.#held = true;
      return;
    }
    const outcome = await new Promise<'turn' | 'aborted'>((resolve) => {
      const onTurn = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve('turn');
      };
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(onTurn), 1);
        resolve('aborted');
      };
      this.#waiting.push(onTurn);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
    // Once it is the caller's turn, an abort is the caller's to notice: the lock is theirs to leave.
    if (outcome === 'aborted') throwIfAborted(signal);
  }

  /** Ends the caller's turn. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#held = false;
  }
}
