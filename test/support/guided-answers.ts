// The embedded model for tests of the decode loop, which drive it without an engine.
import type { SamplingOptions } from '../../src/engine/sampling';
import type { GpuContext } from '../../src/gpu/context';
import type { KvCache } from '../../src/inference/kv-cache';
import type { TokenGuide } from '../../src/inference/token-guide';
import type { Transformer } from '../../src/inference/transformer';
import { openContext } from './engine';
import { PinnedModel } from './pinned-model';
import { STORY } from './sessions';
import { TINY, watch, type Watch } from './watched-engine';

/** What every answer here answers, if a test says nothing else. */
export const PROMPT = STORY.promptIds;
export const DRAWN = { temperature: 1.5, seed: 5 };
export const PENALISED = {
  temperature: 1,
  seed: 3,
  frequencyPenalty: -1,
  presencePenalty: 0.5,
  repetitionPenalty: 1.1,
};

/** The model on a device of its own, which is watched. */
export interface GuidedModel {
  gpu: GpuContext;
  counts: Watch;
  model: PinnedModel;
  transformer: Transformer;
  cache: KvCache;
  vocabulary: number;
  /** The tokens of an answer. */
  answer: (
    limit: number,
    guide?: TokenGuide,
    options?: SamplingOptions,
    promptIds?: readonly number[],
  ) => Promise<number[]>;
}

/** Loads it with a head that is not rounded: generations then use the logits that `model.logits` gives. */
export async function loadGuided(): Promise<GuidedModel> {
  const gpu = await openContext();
  const counts = watch(gpu);
  const model = await PinnedModel.load(gpu, TINY, { headPrecision: 'f16' });
  const transformer = await model.with({});
  const cache = await model.cache(transformer);
  const { vocabularySize: vocabulary } = transformer.config;
  const answer: GuidedModel['answer'] = async (limit, guide, options = {}, promptIds = PROMPT) => {
    const continuation = model.continuation(promptIds, limit, options);
    await model.finish(await model.generation(transformer, cache, continuation, guide));
    return continuation.sampled;
  };
  return { gpu, counts, model, transformer, cache, vocabulary, answer };
}
