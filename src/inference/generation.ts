// A generation: evaluates a prompt, then gives token after token, and shares the GPU with others in between.

import { TernionError, untilAborted } from '../errors';
import type { ReadbackRing } from '../gpu/readback';
import { NO_TOKEN } from '../kernels/sample';
import type { Continuation } from './continuation';
import type { DecodeLoop, LoopParts } from './decode-loop';
import { GuidedLoop } from './guided-loop';
import type { KvCache } from './kv-cache';
import { logitsNotFinite } from './logits-processor';
import { RunAheadLoop } from './run-ahead-loop';
import type { SampledToken, Sampler } from './samplers';
import type { TokenGuide } from './token-guide';
import type { ForwardPass, Transformer } from './transformer';

/**
 * One continuation of a token sequence in a KV cache, from where it is on. Whoever drives it has the GPU to itself between
 * `prefill` and `pause`; several generations take turns that way, each step independent of what others did in between.
 */
export class Generation {
  /** Tokens of the prompt, and of what was sampled before, that were in the cache. */
  readonly cachedTokens: number;
  /** What is there of the sequence at the beginning: to be evaluated, but for what is in the cache. */
  readonly #given: readonly number[];
  /** Read back or forced, not yet taken. */
  readonly #ready: SampledToken[];
  #paused = true;
  /** What chooses the next tokens; there once a prompt was evaluated. */
  #loop: DecodeLoop | undefined;

  private constructor(
    private readonly parts: Omit<LoopParts, 'sampler'>,
    private readonly sampler: Promise<Sampler>,
    private readonly guide: TokenGuide | undefined,
  ) {
    const { promptIds, sampled, forced = [] } = parts.continuation;
    this.#given = [...promptIds, ...sampled];
    this.#ready = forced.map((token) => ({ token, forced: true }));
    // The last token is always evaluated: its logits choose the next one.
    this.cachedTokens = Math.min(parts.cache.commonPrefix(this.#given), this.#given.length - 1);
  }

  /**
   * The cache must have room for the prompt and for all tokens that may be sampled but the last. A `guide` restricts each
   * choice; it is asked by the tokens of the answer so far. `signal` ends the wait for what a long prompt has to have compiled.
   */
  static async create(
    transformer: Transformer,
    readbacks: ReadbackRing,
    cache: KvCache,
    continuation: Continuation,
    guide?: TokenGuide,
    signal?: AbortSignal,
  ): Promise<Generation> {
    // It may have to be compiled, which takes its time beside the prompt. Whoever evaluates that hears of a failure.
    const { mode, mask, process, logprobs } = continuation.sampling;
    const masked = mode.masked || [mask, process, guide].some((each) => each !== undefined);
    const sampler = transformer.sampler({ ...mode, masked }, logprobs);
    sampler.catch(() => {});
    const given = [...continuation.promptIds, ...continuation.sampled];
    const tokens = given.length - cache.commonPrefix(given);
    const pass: ForwardPass = await untilAborted(transformer.forwardPass(cache, tokens), signal);
    return new Generation({ transformer, readbacks, cache, pass, continuation }, sampler, guide);
  }

  /** Evaluates what is there of the sequence and encodes the next sampling. When `signal` fires it ends as `Transformer.prefill` does. */
  async prefill(signal?: AbortSignal): Promise<void> {
    const { transformer, cache, pass, continuation } = this.parts;
    const { sampled, sampling } = continuation;
    await transformer.prefill(cache, pass, this.#given, this.cachedTokens, signal, sampled.length);
    const parts = { ...this.parts, sampler: await untilAborted(this.sampler, signal) };
    this.#loop = this.guide || sampling.process ? new GuidedLoop(parts, this.guide) : new RunAheadLoop(parts);
    this.#loop.resume();
    this.#paused = false;
  }

  /**
   * Waits until the next token can be taken; false when the limit is reached. Keeps later steps in flight. Rejects with
   * `aborted` when `signal` fires while a guide is asked, after which it can be called again; and as the guide does.
   */
  async ready(signal?: AbortSignal): Promise<boolean> {
    if (this.#ready.length > 0) return true;
    const loop = this.#loop;
    if (!loop) throw new TernionError('internal', 'A token was wanted before the prompt was evaluated.');
    if (this.#paused) loop.resume();
    this.#paused = false;
    this.#ready.push(...(await loop.next(signal)));
    return this.#ready.length > 0;
  }

  /**
   * The next token, at once. Only where `ready` has said that there is one, and only if somebody gets it. Throws `internal`
   * where the logits were no numbers to choose by, which weights that are sound bring about at worst by their size.
   */
  take(): SampledToken {
    const next = this.#ready.shift();
    if (next === undefined) throw new TernionError('internal', 'A token was taken that is not there.');
    // Masks without a token never get as far as to the GPU.
    if (next.token === NO_TOKEN) throw logitsNotFinite();
    const { continuation } = this.parts;
    continuation.sampled.push(next.token);
    if (next.forced) continuation.forced = continuation.forced?.slice(1) ?? [];
    return next;
  }

  /** Lets the steps in flight end and leaves the GPU to others. The cache then says which tokens it holds. */
  async pause(): Promise<void> {
    this.#paused = true;
    const loop = this.#loop;
    if (!loop) return;
    this.#ready.push(...(await loop.settle()));
    const { cache, continuation } = this.parts;
    const { promptIds, sampled } = continuation;
    const all = [...sampled, ...this.#ready.map(({ token }) => token)];
    const sound = all.includes(NO_TOKEN) ? all.indexOf(NO_TOKEN) : all.length;
    cache.tokenIds = [...promptIds, ...all.slice(0, sound)].slice(0, loop.evaluated);
  }

  /** As `pause`, for good: run-ahead tokens that nobody took are forgotten. */
  async finish(): Promise<void> {
    await this.pause();
    this.#ready.length = 0;
    const { cache, continuation } = this.parts;
    cache.forgetBeyond(continuation.promptIds.length + continuation.sampled.length);
  }
}
