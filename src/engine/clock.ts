// How long the parts of a generation took.

import type { Usage } from './types';

/** What of a generation is counted and not timed. */
export type UsageCounts = Pick<
  Usage,
  | 'promptTokens'
  | 'cachedTokens'
  | 'completionTokens'
  | 'forcedTokens'
  | 'stopReason'
  | 'omittedTokens'
  | 'omittedTurns'
>;

/** Takes the times of one generation, which begins with this clock. */
export class Clock {
  readonly #start = performance.now();
  #queued = this.#start;
  #first: number | undefined;
  #last = this.#start;
  #tokens = 0;

  /** To be called when the GPU is there. */
  queued(): void {
    this.#queued = performance.now();
  }

  /** To be called at each sampled token. */
  token(): void {
    this.#last = performance.now();
    this.#first ??= this.#last;
    this.#tokens++;
  }

  /** What the times and what was counted come to. Tokens of an answer that was begun elsewhere took none of the times. */
  usage(counts: UsageCounts): Usage {
    const first = this.#first ?? performance.now();
    const decodeMs = this.#first === undefined ? 0 : this.#last - first;
    return {
      ...counts,
      queueMs: this.#queued - this.#start,
      prefillMs: first - this.#queued,
      decodeMs,
      tokensPerSecond: decodeMs > 0 ? ((this.#tokens - 1) * 1000) / decodeMs : 0,
      timeToFirstTokenMs: this.#first === undefined ? 0 : first - this.#start,
    };
  }
}
