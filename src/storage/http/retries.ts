// The rules for trying again: how often, and after which wait.

import { throwIfAborted, untilAborted } from '../../errors';
import { downloadFailed, PassingFailure } from './failures';
import type { NetworkPolicy } from './network';

/** Counts the failures in a row and waits between attempts. */
export class Retries {
  #failures = 0;

  constructor(
    private readonly policy: NetworkPolicy,
    private readonly url: string,
    private readonly attempts = policy.attempts,
  ) {}

  /** Bytes came: what failed before is forgotten. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** Waits until the next attempt is due. Throws what cannot be retried, and `download-failed` when it is enough. */
  async failed(error: unknown, signal: AbortSignal | undefined): Promise<void> {
    if (!(error instanceof PassingFailure)) throw error;
    this.#failures++;
    const { backoffMs, maxBackoffMs, maxRetryAfterMs } = this.policy;
    const { retryAfterMs = 0 } = error;
    if (this.#failures >= this.attempts || retryAfterMs > maxRetryAfterMs) {
      throw downloadFailed(this.url, error.message, error.cause ?? error);
    }
    const backoff = Math.min(maxBackoffMs, backoffMs * 2 ** (this.#failures - 1));
    // Jitter keeps many tabs that lost the same server from coming back at the same instant.
    await delay(Math.max(retryAfterMs, backoff * (0.5 + Math.random() / 2)), signal);
  }
}

/** Waits. Rejects with `aborted` when the signal fires. */
export function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal);
  let timer: ReturnType<typeof setTimeout>;
  const waiting = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  return untilAborted(waiting, signal).finally(() => clearTimeout(timer));
}
