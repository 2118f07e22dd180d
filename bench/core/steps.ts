// Times the steps of a model: prompts, decode steps at a context, and what a step costs the CPU.

import { workDone } from '../../src/gpu/map-async';
import { recordLabels } from '../../src/gpu/profiler';
import { ReadbackRing } from '../../src/gpu/readback';
import { Generation } from '../../src/inference/generation';
import { KvCache } from '../../src/inference/kv-cache';
import { resolveOptions, type SamplingOptions } from '../../src/engine/sampling';
import type { LogitsWanted } from '../../src/inference/samplers';
import type { TokenGuide } from '../../src/inference/token-guide';
import type { ForwardPass, Transformer } from '../../src/inference/transformer';
import { profileStep, type StepProfile } from '../../src/inference/step-profile';
import type { Dispatch } from '../../src/gpu/context';
import { sample, type Timing } from './measure';
import type { StepCost } from './report';
import { randomIds } from './random';

const ENCODED_AT_ONCE = 8;

/** What a kernel may say of a dispatch, for a step of `tokens` tokens at `position`. */
interface Cost {
  /** Times that a thread waits for memory, one after the other. */
  rounds: (tokens: number, position: number) => number;
  /** Bytes read and written. */
  bytes: (tokens: number, position: number) => number;
}

type CostedDispatch = Dispatch & { readonly cost?: Cost | undefined };

/** How decode steps choose their tokens. */
export interface StepChoice {
  options?: SamplingOptions;
  guide?: TokenGuide;
}

/**
 * One KV cache on which steps are timed. A context is not evaluated but taken as there: the cache says that it holds the
 * tokens, and the keys and values are whatever the buffers have (zeros, and what other measurements left). Kernels take
 * the same time for any values.
 */
export class StepBench {
  readonly #readbacks: ReadbackRing;

  private constructor(
    private readonly transformer: Transformer,
    private readonly cache: KvCache,
    private readonly pass: ForwardPass,
    private readonly sampler: readonly Dispatch[],
    private readonly wanted: LogitsWanted,
  ) {
    this.#readbacks = new ReadbackRing(transformer.gpu);
  }

  /** Allocates a cache of `positions` positions. */
  static async create(transformer: Transformer, positions: number): Promise<StepBench> {
    const cache = await KvCache.create(
      transformer.gpu,
      transformer.config,
      positions,
      transformer.variants.cacheFormat,
    );
    const pass = await transformer.forwardPass(cache);
    const { dispatches, wanted } = await transformer.sampler({
      penalties: false,
      random: false,
      masked: false,
    });
    return new StepBench(transformer, cache, pass, dispatches, wanted);
  }

  /** Milliseconds of a prompt of `tokens` tokens up to the token that follows it, which has come back to the CPU. */
  async prefill(tokens: number, signal?: AbortSignal): Promise<number> {
    this.cache.tokenIds = [];
    const generation = await this.#begin(this.#ids(tokens), 1);
    await workDone(this.transformer.gpu.device);
    const start = performance.now();
    await generation.prefill(signal);
    await nextToken(generation);
    const time = performance.now() - start;
    await generation.finish();
    return time;
  }

  /**
   * Milliseconds a token of `steps` decode steps, the first at a context of `context` tokens, in the real loop: the greedy one, or
   * one that chooses as `choice` says.
   */
  async decode(
    context: number,
    steps: number,
    signal?: AbortSignal,
    choice: StepChoice = {},
  ): Promise<number> {
    const ids = this.#ids(context + 1);
    this.cache.tokenIds = ids.slice(0, context);
    const generation = await this.#begin(ids, steps + 1, choice);
    await generation.prefill(signal);
    await nextToken(generation);
    const start = performance.now();
    for (let i = 0; i < steps; i++) {
      signal?.throwIfAborted();
      await nextToken(generation);
    }
    const time = performance.now() - start;
    await generation.finish();
    return time / steps;
  }

  /** Dispatches of a decode step, and of a prefill of one chunk, head and sampling included. */
  countDispatches(): { decode: number; prefill: number } {
    const { transformer } = this;
    const count = (tokens: number): number => recordLabels(transformer.gpu, this.#encode(tokens, 0)).length;
    return { decode: count(1), prefill: count(transformer.variants.prefillTokens) };
  }

  /** What the dispatches of a decode step at `context` ask of memory, as far as all of them say it. */
  countMemory(context: number): Pick<StepCost, 'rounds' | 'traffic'> {
    const all: readonly CostedDispatch[] = [
      ...this.pass.decode,
      ...this.transformer.head(this.wanted),
      ...this.sampler,
    ];
    const needed = all.filter(({ grid }) => grid(1, context));
    const costs = needed.map(({ cost }) => cost).filter((cost) => cost !== undefined);
    if (costs.length < needed.length) return {};
    const sum = (values: number[]): number => values.reduce((total, each) => total + each, 0);
    return {
      rounds: sum(costs.map(({ rounds }) => rounds(1, context))),
      traffic: sum(costs.map(({ bytes }) => bytes(1, context))),
    };
  }

  /** CPU time of decode steps, ms: recording one into a command buffer, and submitting that. The GPU is idle. */
  async cpuTimes(steps: number, budgetMs: number): Promise<{ encode: Timing; submit: Timing }> {
    const { device } = this.transformer.gpu;
    const record = (): GPUCommandBuffer => {
      const encoder = device.createCommandEncoder();
      this.#encode(1, 0)(encoder);
      return encoder.finish();
    };
    // Several in a row, since browsers round their clock to 0.1 ms; what is recorded here is thrown away.
    const encodeSome = async (): Promise<number> => {
      const start = performance.now();
      for (let i = 0; i < ENCODED_AT_ONCE; i++) record();
      return (performance.now() - start) / ENCODED_AT_ONCE;
    };
    await workDone(device);
    const encode = await sample(encodeSome, steps / ENCODED_AT_ONCE, budgetMs);
    const submitOne = async (): Promise<number> => {
      this.#place(1, 0);
      const commands = record();
      const start = performance.now();
      device.queue.submit([commands]);
      const time = performance.now() - start;
      await workDone(device);
      return time;
    };
    const submit = await sample(submitOne, Math.max(3, steps / 4), budgetMs);
    return { encode, submit };
  }

  /** Where the time of `tokens` tokens at `context` goes: the mean of `repeats` runs. Undefined without timestamps. */
  profile(tokens: number, context: number, repeats: number): Promise<StepProfile | undefined> {
    return profileStep(this.transformer, this.cache, { tokens, context, repeats });
  }

  destroy(): void {
    this.#readbacks.destroy();
    this.cache.destroy();
  }

  #begin(ids: number[], limit: number, { options = {}, guide }: StepChoice = {}): Promise<Generation> {
    const { transformer } = this;
    const sampling = resolveOptions(options, transformer.config.vocabularySize);
    const continuation = { promptIds: ids, sampled: [], sampling, limit };
    return Generation.create(transformer, this.#readbacks, this.cache, continuation, guide);
  }

  /** Tells the GPU where the next step stands. */
  #place(tokens: number, context: number): void {
    const { transformer } = this;
    transformer.writeIds(this.#ids(tokens));
    transformer.writeState(context, tokens, 0);
  }

  #encode(tokens: number, context: number): (encoder: GPUCommandEncoder) => void {
    const { transformer } = this;
    return (encoder) => {
      transformer.encodeTokens(encoder, this.pass, tokens, context);
      transformer.encodeNext(encoder, this.sampler, this.wanted);
    };
  }

  #ids(count: number): number[] {
    return randomIds(count, this.transformer.config.vocabularySize, 1);
  }
}

/** Takes the next token as soon as it is there. */
async function nextToken(generation: Generation): Promise<void> {
  if (await generation.ready()) generation.take();
}
