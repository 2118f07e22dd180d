// The figures of an answer from a server: its counts as the server says them, the times as they are here.

import type { Counts, End } from './dialect';
import type { RemoteUsage } from './types';

/** Counts and times of one answer, from the call on. */
export class AnswerClock {
  readonly #called = performance.now();
  #first: number | undefined;
  #last = this.#called;
  #counts: Counts = {};
  #ids: number | undefined;

  /** A piece has come. `ids` is how many it has, undefined where the server says none; `empty` is one of counts alone. */
  piece(
    { promptTokens, cachedTokens, completionTokens }: Counts,
    ids: number | undefined,
    empty: boolean,
  ): void {
    const said = this.#counts;
    this.#counts = {
      promptTokens: promptTokens ?? said.promptTokens,
      cachedTokens: cachedTokens ?? said.cachedTokens,
      completionTokens: completionTokens ?? said.completionTokens,
    };
    if (ids !== undefined) this.#ids = (this.#ids ?? 0) + ids;
    if (empty) return;
    this.#last = performance.now();
    this.#first ??= this.#last;
  }

  usage(stopReason: End['stopReason']): RemoteUsage {
    const { promptTokens, cachedTokens, completionTokens = this.#ids } = this.#counts;
    const decodeMs = this.#last - (this.#first ?? this.#last);
    return {
      promptTokens,
      cachedTokens,
      completionTokens,
      timeToFirstTokenMs: (this.#first ?? this.#called) - this.#called,
      decodeMs,
      tokensPerSecond: completionTokens === undefined ? undefined : rate(completionTokens - 1, decodeMs),
      ...(stopReason !== undefined && { stopReason }),
      missingTokenIds: this.#ids === undefined ? 0 : Math.max(0, (completionTokens ?? 0) - this.#ids),
    };
  }
}

function rate(count: number, ms: number): number {
  return count > 0 && ms > 0 ? (count * 1000) / ms : 0;
}
