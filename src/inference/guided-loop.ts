// Decoding where each choice needs something from the CPU: a guide's mask, or logits that a function has changed. One step is
// always in flight: what evaluates the last token is submitted before anybody is asked what may follow it.

import { TernionError, untilAborted } from '../errors';
import { encodePass } from '../gpu/context';
import { writeCounts, writeSampler, type DecodeLoop, type LoopParts } from './decode-loop';
import { commonTokens, requireSome } from './masks';
import { runProcessor } from './logits-processor';
import type { SampledToken } from './samplers';
import type { Allowed, TokenGuide } from './token-guide';

/** Asks before each choice. What a guide forces is appended as it is, and evaluated together once more is wanted. */
export class GuidedLoop implements DecodeLoop {
  #evaluated: number;
  /** Whether the logits behind the last token are on the GPU, or will be there once what was submitted has run. */
  #hasLogits = false;
  /** Whether the GPU's work buffers hold what this loop has left there. */
  #begun = false;
  /** f32 [vocabulary], for a function that changes logits. */
  #logits: Float32Array<ArrayBuffer> | undefined;

  constructor(
    private readonly parts: LoopParts,
    private readonly guide: TokenGuide | undefined,
  ) {
    const { promptIds, sampled } = parts.continuation;
    this.#evaluated = promptIds.length + sampled.length;
  }

  get evaluated(): number {
    return this.#evaluated;
  }

  resume(): void {
    writeSampler(this.parts);
    if (this.#begun) {
      // What the last token was evaluated to has been overwritten.
      const { promptIds, sampled } = this.parts.continuation;
      this.#evaluated = Math.min(this.#evaluated, promptIds.length + sampled.length - 1);
      this.#hasLogits = false;
    }
    this.#begun = true;
  }

  async next(signal?: AbortSignal): Promise<SampledToken[]> {
    const { continuation, transformer } = this.parts;
    const { sampled, sampling, limit } = continuation;
    if (sampled.length >= limit) return [];
    await this.#evaluate(signal);
    const allowed: Allowed = this.guide
      ? await untilAborted(this.guide.after([...sampled]), signal)
      : { kind: 'any' };
    if (allowed.kind === 'forced') return this.#append(allowed.tokenIds);
    const ofGuide = allowed.kind === 'some' ? allowed.mask : undefined;
    const mask = commonTokens(transformer.config.vocabularySize, [sampling.mask, ofGuide]);
    await this.#process(mask);
    return [await this.#sample(mask)];
  }

  /** What is on its way is awaited where it is made. */
  async settle(): Promise<SampledToken[]> {
    return [];
  }

  /**
   * Submits what is missing to the logits behind the last token: forced tokens are evaluated together. Whoever wants a token
   * behind them says by this that they did not end the answer.
   */
  async #evaluate(signal: AbortSignal | undefined): Promise<void> {
    if (this.#hasLogits) return;
    const { transformer, cache, pass, sampler, continuation } = this.parts;
    const { promptIds, sampled } = continuation;
    const known = [...promptIds, ...sampled];
    if (this.#evaluated < known.length) {
      writeCounts(this.parts, known.slice(this.#evaluated));
      cache.tokenIds = known.slice(0, this.#evaluated);
      try {
        await transformer.prefill(cache, pass, known, this.#evaluated, signal, sampled.length);
      } finally {
        this.#evaluated = cache.tokenIds.length;
      }
    }
    this.#submit((encoder) => transformer.encodeNext(encoder, sampler.before));
    this.#hasLogits = true;
  }

  /** Tokens that come without a choice, up to the limit. */
  #append(tokenIds: readonly number[]): SampledToken[] {
    const { continuation } = this.parts;
    const { sampled, limit } = continuation;
    const forced = tokenIds.slice(0, limit - sampled.length);
    if (forced.length === 0) throw new TernionError('internal', 'A guide has forced no token.');
    continuation.forced = forced;
    this.#hasLogits = false;
    return forced.map((token) => ({ token, forced: true }));
  }

  /** Has the logits changed by the function for that, which may forbid tokens of `mask`. */
  async #process(mask: Uint32Array): Promise<void> {
    const { transformer, readbacks, continuation } = this.parts;
    const { promptIds, sampled, sampling } = continuation;
    if (!sampling.process) return;
    const { gpu, work, config } = transformer;
    const logits = (this.#logits ??= new Float32Array(config.vocabularySize));
    await readbacks.readFloats(work.logits, logits);
    runProcessor(sampling.process, logits, [...promptIds, ...sampled], mask);
    requireSome(mask);
    gpu.write(work.logits, 0, logits);
  }

  /** Chooses among the tokens of `mask`, with the step that evaluates the chosen one right behind. */
  async #sample(mask: Uint32Array): Promise<SampledToken> {
    const { transformer, readbacks, sampler, continuation } = this.parts;
    const { sampled, limit } = continuation;
    if (!sampler.mask) throw new TernionError('internal', 'A guided choice has no mask.');
    transformer.gpu.write(sampler.mask, 0, mask);
    const read = this.#submit((encoder) => {
      encodePass(encoder, sampler.dispatches);
      return readbacks.copyWords(encoder, sampler.result, sampler.words);
    });
    // By itself, so that the token comes back while the next step runs.
    const words = read();
    this.#hasLogits = sampled.length + 1 < limit;
    if (this.#hasLogits) this.#step();
    return sampler.read(await words);
  }

  /** Evaluates the token that was just chosen, which only the GPU knows yet, up to its logits. */
  #step(): void {
    const { transformer, pass, sampler } = this.parts;
    const position = this.#evaluated;
    this.#submit((encoder) => {
      transformer.encodeTokens(encoder, pass, 1, position);
      transformer.encodeNext(encoder, sampler.before);
    });
    this.#evaluated++;
  }

  #submit<T>(encode: (encoder: GPUCommandEncoder) => T): T {
    const { device } = this.parts.transformer.gpu;
    const encoder = device.createCommandEncoder();
    const result = encode(encoder);
    device.queue.submit([encoder.finish()]);
    return result;
  }
}
