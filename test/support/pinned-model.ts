// One model on one device, run with whichever kernel variants a test asks for: weights are loaded and kernels compiled once.
import type { GpuContext } from '../../src/gpu/context';
import { ReadbackRing } from '../../src/gpu/readback';
import { storeInMemory, type TuningStore } from '../../src/gpu/tuning-memory';
import { resolveOptions, type SamplingOptions } from '../../src/engine/sampling';
import type { Continuation } from '../../src/inference/continuation';
import { Generation } from '../../src/inference/generation';
import { KvCache } from '../../src/inference/kv-cache';
import type { SampledToken } from '../../src/inference/samplers';
import type { TokenGuide } from '../../src/inference/token-guide';
import { Transformer } from '../../src/inference/transformer';
import type { FixedChoices, Variants } from '../../src/inference/variants';
import { loadWeights } from '../../src/model/load';
import type { ModelFile } from '../../src/model/model-file';
import { roundsActivations } from '../../src/model/vocabulary';
import type { ModelWeights } from '../../src/model/weights';
import type { PrecisionOptions } from '../../src/plan/load-options';
import { choosePrecisions, readModel } from '../../src/plan/read-model';
import { fixtureFiles } from './model-files';

/** More than any golden prompt with its answer. */
const CONTEXT = 256;

/** A model whose weights are on the GPU. */
export class PinnedModel {
  readonly #readbacks: ReadbackRing;
  private constructor(
    private readonly gpu: GpuContext,
    private readonly model: ModelFile,
    private readonly weights: ModelWeights,
    private readonly precisions: ReturnType<typeof choosePrecisions>,
    private readonly store: TuningStore,
  ) {
    this.#readbacks = new ReadbackRing(gpu);
  }

  /**
   * Loads the model at `path`, relative to the root of the repository. Models on one context share compiled kernels, and what was
   * checked if they are given the same store: a variant that several tests run is checked once.
   */
  static async load(
    gpu: GpuContext,
    path: string,
    options: PrecisionOptions,
    store = storeInMemory(),
  ): Promise<PinnedModel> {
    const { model } = await readModel(fixtureFiles(path));
    const precisions = choosePrecisions(model, options);
    const weights = await loadWeights(gpu, model, { vocabulary: precisions.headPrecision });
    return new PinnedModel(gpu, model, weights, precisions, store);
  }

  /** The forward pass with these variants, each checked with its known answers as in any first load. */
  with(variants: Partial<Variants & FixedChoices>): Promise<Transformer> {
    const { gpu, model, weights } = this;
    const { activations, headPrecision } = this.precisions;
    return Transformer.create(gpu, model.config, weights, {
      contextLength: CONTEXT,
      variants,
      tuner: { budgetMs: 0, store: this.store },
      activations,
      exactHead: !roundsActivations(headPrecision),
    });
  }

  /** The logits after `ids`, as `nextLogits` gives them; evaluated as a prompt, or one by one, by the kernels of decode. */
  async logits(
    transformer: Transformer,
    ids: readonly number[],
    { stepwise = false } = {},
  ): Promise<Float32Array> {
    const { gpu, model } = this;
    const cache = await this.cache(transformer);
    const pass = await transformer.forwardPass(cache);
    if (stepwise) for (const i of ids.keys()) await transformer.prefill(cache, pass, ids.slice(0, i + 1), i);
    else await transformer.prefill(cache, pass, ids, 0);
    const encoder = gpu.device.createCommandEncoder();
    await transformer.encodeLogits(encoder);
    gpu.device.queue.submit([encoder.finish()]);
    const logits = await gpu.read(transformer.work.logits, 0, model.config.vocabularySize * 4);
    cache.destroy();
    return new Float32Array(logits);
  }

  /** The `count` ids that follow `ids`, each the likeliest. */
  async greedy(transformer: Transformer, ids: readonly number[], count: number): Promise<number[]> {
    const cache = await this.cache(transformer);
    const continuation = this.continuation(ids, count);
    await this.finish(await this.generation(transformer, cache, continuation));
    cache.destroy();
    return continuation.sampled;
  }

  /** What goes on behind `ids` for `limit` tokens, with these options. */
  continuation(ids: readonly number[], limit: number, options: SamplingOptions = {}): Continuation {
    const sampling = resolveOptions(options, this.model.config.vocabularySize);
    return { promptIds: ids, sampled: [], sampling, limit };
  }

  /** A generation whose prompt was evaluated. */
  async generation(
    transformer: Transformer,
    cache: KvCache,
    continuation: Continuation,
    guide?: TokenGuide,
  ): Promise<Generation> {
    const generation = await Generation.create(transformer, this.#readbacks, cache, continuation, guide);
    await generation.prefill();
    return generation;
  }

  /** Takes all tokens that are left, and ends the generation. */
  async finish(generation: Generation): Promise<SampledToken[]> {
    const taken: SampledToken[] = [];
    while (await generation.ready()) taken.push(generation.take());
    await generation.finish();
    return taken;
  }

  /** An empty cache. */
  cache({ variants }: Transformer): Promise<KvCache> {
    return KvCache.create(this.gpu, this.model.config, CONTEXT, variants.cacheFormat);
  }
}
