// The decode loop: evaluates a prompt, then keeps a few steps in flight whose tokens the GPU samples and feeds itself.

import { TernionError } from '../errors';
import type { Dispatch } from '../gpu/context';
import type { ReadbackRing } from '../gpu/readback';
import { NO_TOKEN, packSamplerOptions, type SampleMode, type SamplerParameters } from '../kernels/sample';
import type { KvCache } from './kv-cache';
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
}

/**
 * One continuation of a token sequence in a KV cache. Whoever drives it has the GPU to itself between `begin` and
 * `pause`; several generations take turns that way, each step independent of what others did in between.
 */
export class Generation {
  /** Tokens sampled, read back and taken, in order. */
  readonly sampled: number[] = [];
  /** Tokens of the prompt that were in the cache. */
  readonly cachedTokens: number;
  /** Samplings encoded so far. */
  #submitted = 0;
  readonly #inFlight: Promise<number>[] = [];
  /** Read back, not yet taken. */
  readonly #ready: number[] = [];
  #paused = true;

  private constructor(
    private readonly transformer: Transformer,
    private readonly readbacks: ReadbackRing,
    private readonly cache: KvCache,
    private readonly pass: ForwardPass,
    private readonly sampler: Dispatch[],
    private readonly promptIds: readonly number[],
    private readonly options: SamplingSettings,
    /** Most tokens that may be sampled. */
    readonly limit: number,
  ) {
    // The last token is always evaluated: its logits choose the next one.
    this.cachedTokens = Math.min(cache.commonPrefix(promptIds), promptIds.length - 1);
  }

  /** `promptIds` must fit the cache with one token to spare; `limit` tokens may be sampled at most. */
  static async create(
    transformer: Transformer,
    readbacks: ReadbackRing,
    cache: KvCache,
    promptIds: readonly number[],
    options: SamplingSettings,
    limit: number,
  ): Promise<Generation> {
    const [pass, sampler] = await Promise.all([
      transformer.forwardPass(cache),
      transformer.sampler(options.mode),
    ]);
    return new Generation(transformer, readbacks, cache, pass, sampler, promptIds, options, limit);
  }

  /** Evaluates the prompt and encodes the first sampling. Stops within one chunk when `signal` fires. */
  async prefill(signal?: AbortSignal): Promise<void> {
    await this.transformer.prefill(this.cache, this.pass, this.promptIds, this.cachedTokens, signal);
    this.#writeSampler();
    this.#paused = false;
    if (this.limit > 0) this.#submit((encoder) => this.transformer.encodeNext(encoder, this.sampler));
  }

  /** Waits until the next token can be taken; false when the limit is reached. Keeps later steps in flight. */
  async ready(): Promise<boolean> {
    if (this.#ready.length > 0) return true;
    if (this.#paused) this.#resume();
    while (this.#inFlight.length < STEPS_IN_FLIGHT && this.#submitted < this.limit) this.#step();
    const token = await this.#inFlight.shift();
    if (token === undefined) return false;
    this.#ready.push(token);
    return true;
  }

  /**
   * The next token, at once. Only where `ready` has said that there is one, and only if somebody gets it. Throws `internal`
   * where the logits were no numbers to choose by, which weights that are sound bring about at worst by their size.
   */
  take(): number {
    const token = this.#ready.shift();
    if (token === undefined) throw new TernionError('internal', 'A token was taken that is not there.');
    if (token === NO_TOKEN) throw new TernionError('internal', "The model's logits are not finite.");
    this.sampled.push(token);
    return token;
  }

  /** Lets the steps in flight end and leaves the GPU to others. The cache then says which tokens it holds. */
  async pause(): Promise<void> {
    this.#paused = true;
    const tokens = await Promise.all(this.#inFlight.splice(0));
    this.#ready.push(...tokens);
    // A token is in the cache once the step after its sampling has run.
    const all = [...this.sampled, ...this.#ready];
    const sound = all.includes(NO_TOKEN) ? all.indexOf(NO_TOKEN) : all.length;
    const evaluated = Math.min(sound, Math.max(0, this.#submitted - 1));
    if (this.#submitted > 0) this.cache.tokenIds = [...this.promptIds, ...all.slice(0, evaluated)];
  }

  /** As `pause`, for good: run-ahead tokens that nobody took are forgotten. */
  async finish(): Promise<void> {
    await this.pause();
    this.#ready.length = 0;
    this.cache.forgetBeyond(this.promptIds.length + this.sampled.length);
  }

  /** Puts the GPU's state back to where this generation was, after others used it. */
  #resume(): void {
    const all = this.sampled;
    this.#writeSampler();
    this.transformer.writeState(this.promptIds.length + all.length - 1, 1, all.length);
    this.transformer.writeIds(all.slice(-1));
    this.#paused = false;
  }

  #step(): void {
    // The sampling before this step produced the token at this position.
    const position = this.promptIds.length + this.#submitted - 1;
    this.#submit((encoder) => {
      this.transformer.encodeTokens(encoder, this.pass, 1, position);
      this.transformer.encodeNext(encoder, this.sampler);
    });
  }

  #submit(encode: (encoder: GPUCommandEncoder) => void): void {
    const { gpu, work } = this.transformer;
    const encoder = gpu.device.createCommandEncoder();
    encode(encoder);
    const read = this.readbacks.copyWord(encoder, work.ids);
    gpu.device.queue.submit([encoder.finish()]);
    const token = read();
    // Whoever awaits it hears of a failure; until then it is not unhandled.
    token.catch(() => {});
    this.#inFlight.push(token);
    this.#submitted++;
  }

  #writeSampler(): void {
    const { gpu, work } = this.transformer;
    const { queue } = gpu.device;
    const { sampler, mode, logitBias } = this.options;
    queue.writeBuffer(work.options, 0, packSamplerOptions(sampler) as GPUAllowSharedBufferSource);
    if (!mode.penalties) return;
    const { vocabularySize } = this.transformer.config;
    const history = new Uint32Array(vocabularySize);
    for (const id of this.promptIds) history[id] = IN_PROMPT;
    for (const id of this.sampled) history[id]!++;
    queue.writeBuffer(work.history, 0, history);
    const bias = new Float32Array(vocabularySize);
    for (const [id, value] of logitBias) bias[id] = value;
    queue.writeBuffer(work.bias, 0, bias);
  }
}
