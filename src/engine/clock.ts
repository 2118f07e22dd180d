// How long the parts of a generation took.

import type { Usage } from './types';

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

  /** What the times and these counts of tokens come to. Tokens of an answer that was begun elsewhere took none of the times. */
  usage(promptTokens: number, cachedTokens: number, completionTokens: number): Usage {
    const first = this.#first ?? performance.now();
    const decodeMs = this.#first === undefined ? 0 : this.#last - first;
    return {
      promptTokens,
      cachedTokens,
      completionTokens,
      queueMs: this.#queued - this.#start,
      prefillMs: first - this.#queued,
      decodeMs,
      tokensPerSecond: decodeMs > 0 ? ((this.#tokens - 1) * 1000) / decodeMs : 0,
    };
  }
}
