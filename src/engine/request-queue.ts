// Requests use the GPU one at a time, in the order in which they came.

import { throwIfAborted } from '../errors';

/** A first-in, first-out lock, but for those who press. */
export class RequestQueue {
  #held = false;
  readonly #waiting: (() => void)[] = [];
  #pressing = new AbortController();

  /** Whether it is somebody's turn. */
  get held(): boolean {
    return this.#held;
  }

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

  /** Fires when somebody presses: whoever holds the lock leaves it soon, and enters again. There is a new one after each. */
  get pressure(): AbortSignal {
    return this.#pressing.signal;
  }

  /** As `enter`, before all who wait. One at a time may press. */
  async press(): Promise<void> {
    this.#pressing.abort();
    if (this.#held) await new Promise<void>((resolve) => this.#waiting.unshift(resolve));
    this.#held = true;
    this.#pressing = new AbortController();
  }

  /** Ends the caller's turn. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#held = false;
  }
}
