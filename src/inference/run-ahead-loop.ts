// Decoding where nothing has to be known of a token before the next one: a few steps are in flight, which the GPU feeds itself.

import { commonTokens } from './masks';
import { writeSampler, type DecodeLoop, type LoopParts } from './decode-loop';
import type { SampledToken } from './samplers';

/** Steps that are encoded before the first of them is read back: what hides the way to the GPU and back. */
const STEPS_IN_FLIGHT = 3;

/** Keeps steps in flight. */
export class RunAheadLoop implements DecodeLoop {
  readonly #inFlight: Promise<SampledToken>[] = [];
  /** Tokens that were sampled before. */
  readonly #resumedAt: number;
  /** Samplings encoded so far, those of the tokens that were sampled before included. */
  #submitted: number;
  /** Whether the last token was evaluated, and the next sampling needs no step before it. */
  #isEvaluated = true;

  constructor(private readonly parts: LoopParts) {
    const { sampled } = parts.continuation;
    this.#resumedAt = sampled.length;
    this.#submitted = sampled.length;
  }

  get evaluated(): number {
    // A token is in the cache once the step after its sampling has run.
    return this.parts.continuation.promptIds.length + Math.max(this.#resumedAt, this.#submitted - 1);
  }

  resume(): void {
    const { transformer, continuation, sampler } = this.parts;
    const { promptIds, sampled, sampling, limit } = continuation;
    writeSampler(this.parts);
    if (sampler.mask) {
      transformer.gpu.write(
        sampler.mask,
        0,
        commonTokens(transformer.config.vocabularySize, [sampling.mask]),
      );
    }
    if (this.#isEvaluated) {
      this.#isEvaluated = false;
      if (sampled.length < limit) this.#submit(() => {});
      return;
    }
    transformer.writeState(promptIds.length + sampled.length - 1, 1, sampled.length);
    transformer.writeIds(sampled.slice(-1));
  }

  async next(): Promise<SampledToken[]> {
    const { limit } = this.parts.continuation;
    while (this.#inFlight.length < STEPS_IN_FLIGHT && this.#submitted < limit) this.#step();
    const sampled = await this.#inFlight.shift();
    return sampled ? [sampled] : [];
  }

  settle(): Promise<SampledToken[]> {
    return Promise.all(this.#inFlight.splice(0));
  }

  #step(): void {
    const { transformer, pass, continuation } = this.parts;
    // The sampling before this step produced the token at this position.
    const position = continuation.promptIds.length + this.#submitted - 1;
    this.#submit((encoder) => transformer.encodeTokens(encoder, pass, 1, position));
  }

  /** The next sampling, behind what `encode` puts before it. */
  #submit(encode: (encoder: GPUCommandEncoder) => void): void {
    const { transformer, readbacks, sampler } = this.parts;
    const { device } = transformer.gpu;
    const encoder = device.createCommandEncoder();
    encode(encoder);
    transformer.encodeNext(encoder, [...sampler.before, ...sampler.dispatches], sampler.wanted);
    const read = readbacks.copyWords(encoder, sampler.result, sampler.words);
    device.queue.submit([encoder.finish()]);
    const sampled = read().then(sampler.read);
    // Whoever awaits it hears of a failure; until then it is not unhandled.
    sampled.catch(() => {});
    this.#inFlight.push(sampled);
    this.#submitted++;
  }
}
