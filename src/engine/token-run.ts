// The tokens of one answer, from whatever device is there. All that it needs to go on somewhere else is plain data.

import { TernionError } from '../errors';
import type { KvCache } from '../inference/kv-cache';
import type { Continuation } from '../inference/continuation';
import { Generation } from '../inference/generation';
import type { SampledToken } from '../inference/samplers';
import type { TokenGuide } from '../inference/token-guide';
import { GpuTurn } from './gpu-turn';
import type { RequestQueue } from './request-queue';
import { WORK_DONE, type Residence } from './residence';
import type { Resident } from './resident';

/** Samples the tokens of an answer in turns on the GPU. Where the device is lost or given back, it goes on on the next. */
export class TokenRun {
  readonly #turn: GpuTurn;
  /** The generation that samples, and where; undefined before the first, and between two. */
  #current: { generation: Generation; resident: Resident } | undefined;
  #cachedTokens: number | undefined;

  constructor(
    private readonly queue: RequestQueue,
    private readonly residence: Residence,
    private readonly continuation: Continuation,
    /** The KV cache of the session on a resident. */
    private readonly cacheOn: (resident: Resident) => Promise<KvCache>,
    /** Restricts the tokens, wherever they are sampled. */
    private readonly guide?: TokenGuide,
  ) {
    this.#turn = new GpuTurn(queue, () => this.#settle('pause'));
  }

  /** Tokens of the prompt that were in the cache when the answer began. */
  get cachedTokens(): number {
    return this.#cachedTokens ?? 0;
  }

  /** Waits for the first turn on the GPU. Rejects with `aborted`. */
  async enter(signal: AbortSignal): Promise<void> {
    await this.#turn.hold(signal);
  }

  /**
   * Waits until the next token can be taken, on another device if it must be; false when the limit is reached. The prompt,
   * and after a loss what was sampled before it, is evaluated first, which `signal` ends within one chunk. It ends the wait for
   * a guide, too.
   */
  ready(signal: AbortSignal): Promise<boolean> {
    return this.residence.use(this.#turn, (resident) => this.#readyOn(resident, signal), signal);
  }

  /** The next token, at once. Only where `ready` has said that there is one, and only if somebody gets it. */
  take(): SampledToken {
    const sampled = this.#current!.generation.take();
    this.residence.worked(1);
    return sampled;
  }

  /** From now until `ready`, the GPU is lent to those who wait for it. */
  watch(): void {
    this.#turn.watch();
  }

  /** The reader is back: waits for the GPU, if it was lent. */
  async regain(signal: AbortSignal): Promise<void> {
    await this.#turn.hold(signal);
  }

  /** The answer is complete. */
  done(): void {
    this.residence.worked(WORK_DONE);
  }

  /** Lets what is in flight end, and leaves. Nothing happens the second time. */
  async end(): Promise<void> {
    await this.#turn.end(() => this.#settle('finish'));
  }

  async #readyOn(resident: Resident, signal: AbortSignal): Promise<boolean> {
    const generation =
      this.#current?.resident === resident ? this.#current.generation : await this.#begin(resident, signal);
    try {
      return await generation.ready(this.guide ? this.#ending(signal) : signal);
    } catch (error) {
      // Nothing was under way that would be missing.
      if (error instanceof TernionError && error.code === 'aborted') throw error;
      // The token that failed would be missing: whoever goes on begins again from those that were taken.
      this.#current = undefined;
      throw error;
    }
  }

  async #begin(resident: Resident, signal: AbortSignal): Promise<Generation> {
    const { transformer, readbacks } = resident;
    const cache = await this.cacheOn(resident);
    const ending = this.#ending(signal);
    const { continuation, guide } = this;
    const generation = await Generation.create(transformer, readbacks, cache, continuation, guide, ending);
    this.#cachedTokens ??= generation.cachedTokens;
    // What is amid its prompt does not keep those waiting who press. It begins again from what is in the cache.
    await generation.prefill(ending);
    this.#current = { generation, resident };
    return generation;
  }

  /** Fires with `signal`, and when somebody presses for the GPU. */
  #ending(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.queue.pressure]);
  }

  /** A device that is gone has nothing in flight any more. */
  async #settle(how: 'pause' | 'finish'): Promise<void> {
    if (!this.#current) return;
    const { generation, resident } = this.#current;
    try {
      await generation[how]();
    } catch (error) {
      if (!(await resident.gpu.isLost())) throw error;
    }
  }
}
