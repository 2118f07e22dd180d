// Fills in what the options of a generation leave open.

import type { SamplingSettings } from '../inference/generation';
import type { SamplerParameters } from '../kernels/sample';
import type { GenerateOptions } from './types';

/** Options with every default filled in. */
export interface ResolvedOptions extends SamplingSettings {
  /** Infinity where the caller gave none: the context is the limit. */
  maxTokens: number;
  stop: readonly string[];
  contextOverflow: 'error' | 'truncate-middle';
}

/** Lower temperatures are greedy: in f32 they would become 0, or logits over them infinite. */
const LEAST_TEMPERATURE = 1e-6;

/** The options with their defaults. */
export function resolveOptions({
  temperature = 0,
  topK = 0,
  topP = 1,
  minP = 0,
  repetitionPenalty = 1,
  frequencyPenalty = 0,
  presencePenalty = 0,
  logitBias = {},
  seed = randomSeed(),
  maxTokens = Infinity,
  stop = [],
  logprobs,
  contextOverflow = 'error',
}: GenerateOptions): ResolvedOptions {
  const sampler: SamplerParameters = {
    temperature,
    topK,
    topP,
    minP,
    repetitionPenalty,
    frequencyPenalty,
    presencePenalty,
    // Any integer is a seed; the lower 32 bits count.
    seed: (seed % 2 ** 32) >>> 0,
  };
  const biases = new Map(Object.entries(logitBias).map(([id, bias]) => [Number(id), bias]));
  return {
    sampler,
    mode: {
      random: temperature >= LEAST_TEMPERATURE,
      penalties:
        repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0 || biases.size > 0,
    },
    maxTokens,
    stop: typeof stop === 'string' ? [stop] : stop,
    logprobs,
    contextOverflow,
    logitBias: biases,
  };
}

/** A seed for whoever gives none. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}
