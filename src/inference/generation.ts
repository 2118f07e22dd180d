// The decode loop: evaluates a prompt, then keeps a few steps in flight whose tokens the GPU samples and feeds itself.

import { TernionError, untilAborted } from '../errors';
import type { ReadbackRing } from '../gpu/readback';
import { NO_TOKEN, packSamplerOptions, type SampleMode, type SamplerParameters } from '../kernels/sample';
import type { KvCache } from './kv-cache';
import type { SampledToken, Sampler } from './samplers';
import type { ForwardPass, Transformer } from './transformer';

/** Steps that are encoded before the first of them is read back: what hides the way to the GPU and back. */
const STEPS_IN_FLIGHT = 3;

const IN_PROMPT = 2 ** 31;

/** How a generation chooses among the tokens, with every default filled in. */
export interface SamplingSettings {
  sampler: SamplerParameters;
  mode: SampleMode;
  /** Added to logits, by token id. */
  logitBias: ReadonlyMap<number, number>;
  /** Log-probabilities of each token and of so many of the likeliest, up to `MOST_LOGPROBS`; undefined for none. */
  logprobs?: number | undefined;
}

/**
 * All that decides how a sequence goes on, as plain data. Whoever has it can go on with it, on any device and in any thread
 * that has the model: the noise of a draw depends on the seed and the number of tokens before, penalties on which they are.
 */
export interface Continuation {
  readonly promptIds: readonly number[];
  /** Tokens sampled, read back and taken, in order. A generation adds to them. */
  readonly sampled: number[];
  readonly sampling: SamplingSettings;
  /** Most tokens that may be sampled, those that were included. */
  readonly limit: number;
}

/**
 * One continuation of a token sequence in a KV cache, from where it is on. Whoever drives it has the GPU to itself between
 * `prefill` and `pause`; several generations take turns that way, each step independent of what others did in between.
 */
export class Generation {
  /** Tokens of the prompt, and of what was sampled before, that were in the cache. */
  readonly cachedTokens: number;
  /** What is there of the sequence at the beginning: to be evaluated, but for what is in the cache. */
  readonly #given: readonly number[];
  /** Tokens that were sampled before. */
  readonly #resumedAt: number;
  /** Samplings encoded so far, those of the tokens that were sampled before included. */
  #submitted: number;
  readonly #inFlight: Promise<SampledToken>[] = [];
  /** Read back, not yet taken. */
  readonly #ready: SampledToken[] = [];
  #paused = true;
  /** What chooses the next token; there once a prompt was evaluated. */
  #sampler: Sampler | undefined;

  private constructor(
    private readonly transformer: Transformer,
    private readonly readbacks: ReadbackRing,
    private readonly cache: KvCache,
    private readonly pass: ForwardPass,
    private readonly sampler: Promise<Sampler>,
    private readonly continuation: Continuation,
  ) {
    const { promptIds, sampled } = continuation;
    this.#given = [...promptIds, ...sampled];
    this.#resumedAt = sampled.length;
    this.#submitted = sampled.length;
    // The last token is always evaluated: its logits choose the next one.
    this.cachedTokens = Math.min(cache.commonPrefix(this.#given), this.#given.length - 1);
  }

  /** The cache must have room for the prompt and for all tokens that may be sampled but the last. */
  static async create(
    transformer: Transformer,
    readbacks: ReadbackRing,
    cache: KvCache,
    continuation: Continuation,
  ): Promise<Generation> {
    // It may have to be compiled, which takes its time beside the prompt. Whoever evaluates that hears of a failure.
    const { mode, logprobs } = continuation.sampling;
    const sampler = transformer.sampler(mode, logprobs);
    sampler.catch(() => {});
    const pass = await transformer.forwardPass(cache);
    return new Generation(transformer, readbacks, cache, pass, sampler, continuation);
  }

  /** Evaluates what is there of the sequence and encodes the next sampling. Stops within one chunk when `signal` fires. */
  async prefill(signal?: AbortSignal): Promise<void> {
    const { transformer, cachedTokens } = this;
    const { sampled, limit } = this.continuation;
    await transformer.prefill(this.cache, this.pass, this.#given, cachedTokens, signal, sampled.length);
    this.#sampler = await untilAborted(this.sampler, signal);
    this.#writeSampler();
    this.#paused = false;
    if (sampled.length < limit) this.#submit(() => {});
  }

  /** Waits until the next token can be taken; false when the limit is reached. Keeps later steps in flight. */
  async ready(): Promise<boolean> {
    if (this.#ready.length > 0) return true;
    if (this.#paused) this.#resume();
    while (this.#inFlight.length < STEPS_IN_FLIGHT && this.#submitted < this.continuation.limit) this.#step();
    const sampled = await this.#inFlight.shift();
    if (sampled === undefined) return false;
    this.#ready.push(sampled);
    return true;
  }

  /**
   * The next token, at once. Only where `ready` has said that there is one, and only if somebody gets it. Throws `internal`
   * where the logits were no numbers to choose by, which weights that are sound bring about at worst by their size.
   */
  take(): SampledToken {
    const next = this.#ready.shift();
    if (next === undefined) throw new TernionError('internal', 'A token was taken that is not there.');
    if (next.token === NO_TOKEN) throw new TernionError('internal', "The model's logits are not finite.");
    this.continuation.sampled.push(next.token);
    return next;
  }

  /** Lets the steps in flight end and leaves the GPU to others. The cache then says which tokens it holds. */
  async pause(): Promise<void> {
    this.#paused = true;
    this.#ready.push(...(await Promise.all(this.#inFlight.splice(0))));
    if (this.#submitted === this.#resumedAt) return;
    // A token is in the cache once the step after its sampling has run.
    const { promptIds, sampled } = this.continuation;
    const all = [...sampled, ...this.#ready.map(({ token }) => token)];
    const sound = all.includes(NO_TOKEN) ? all.indexOf(NO_TOKEN) : all.length;
    this.cache.tokenIds = [...promptIds, ...all.slice(0, Math.min(sound, this.#submitted - 1))];
  }

  /** As `pause`, for good: run-ahead tokens that nobody took are forgotten. */
  async finish(): Promise<void> {
    await this.pause();
    this.#ready.length = 0;
    const { promptIds, sampled } = this.continuation;
    this.cache.forgetBeyond(promptIds.length + sampled.length);
  }

  /** Puts the GPU's state back to where this generation was, after others used it. */
  #resume(): void {
    const { promptIds, sampled } = this.continuation;
    this.#writeSampler();
    this.transformer.writeState(promptIds.length + sampled.length - 1, 1, sampled.length);
    this.transformer.writeIds(sampled.slice(-1));
    this.#paused = false;
  }

  #step(): void {
    // The sampling before this step produced the token at this position.
    const position = this.continuation.promptIds.length + this.#submitted - 1;
    this.#submit((encoder) => this.transformer.encodeTokens(encoder, this.pass, 1, position));
  }

  /** The next sampling, behind what `encode` puts before it. */
  #submit(encode: (encoder: GPUCommandEncoder) => void): void {
    const { transformer } = this;
    const sampler = this.#sampler!;
    const { gpu } = transformer;
    const encoder = gpu.device.createCommandEncoder();
    encode(encoder);
    transformer.encodeNext(encoder, sampler.dispatches);
    const read = this.readbacks.copyWords(encoder, sampler.result, sampler.words);
    gpu.device.queue.submit([encoder.finish()]);
    const sampled = read().then(sampler.read);
    // Whoever awaits it hears of a failure; until then it is not unhandled.
    sampled.catch(() => {});
    this.#inFlight.push(sampled);
    this.#submitted++;
  }

  #writeSampler(): void {
    const { gpu, work } = this.transformer;
    const { queue } = gpu.device;
    const { promptIds, sampled, sampling } = this.continuation;
    const { sampler, mode, logitBias } = sampling;
    queue.writeBuffer(work.options, 0, packSamplerOptions(sampler) as GPUAllowSharedBufferSource);
    if (!mode.penalties) return;
    const { vocabularySize } = this.transformer.config;
    const history = new Uint32Array(vocabularySize);
    for (const id of promptIds) history[id] = IN_PROMPT;
    for (const id of sampled) history[id]!++;
    queue.writeBuffer(work.history, 0, history);
    const bias = new Float32Array(vocabularySize);
    for (const [id, value] of logitBias) bias[id] = value;
    queue.writeBuffer(work.bias, 0, bias);
  }
}
