// Fills in what the options of a generation leave open.

import type { LogitsProcessor, SamplingSettings } from '../inference/continuation';
import { maskOfTokens } from '../inference/masks';
import type { SamplerParameters } from '../kernels/sample';
import type { GenerateOptions } from './types';

/** Options with every default filled in. */
export interface ResolvedOptions extends SamplingSettings {
  /** Infinity where the caller gave none: the context is the limit. */
  maxTokens: number;
  stop: readonly string[];
  contextOverflow: 'error' | 'truncate-middle';
  /** Tokens of the answer that nothing is sampled for. */
  beginsWith: readonly number[];
}

/** Options as a generation takes them: a function that was given by its address has been fetched. */
export interface SamplingOptions extends Omit<GenerateOptions, 'logitsProcessor' | 'beginsWith'> {
  beginsWith?: readonly number[];
  /** Only these tokens may be sampled, end tokens too only if they are among them. Default: all. */
  allowedTokens?: readonly number[];
  /** These tokens are never sampled. */
  bannedTokens?: readonly number[];
  logitsProcessor?: LogitsProcessor;
}

/** Lower temperatures are greedy: in f32 they would become 0, or logits over them infinite. */
const LEAST_TEMPERATURE = 1e-6;

/** The options with their defaults, for a model with so many tokens in its vocabulary. */
export function resolveOptions(options: SamplingOptions, vocabularySize: number): ResolvedOptions {
  const { maxTokens = Infinity, stop = [], logprobs, contextOverflow = 'error', logitsProcessor } = options;
  const sampler = samplerOf(options);
  const biases = Object.entries(options.logitBias ?? {}).map(([id, bias]) => [Number(id), bias] as const);
  const { temperature, repetitionPenalty, frequencyPenalty, presencePenalty } = sampler;
  const mask = staticMask(options, vocabularySize);
  return {
    sampler,
    mode: {
      random: temperature >= LEAST_TEMPERATURE,
      penalties:
        repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0 || biases.length > 0,
      masked: mask !== undefined || logitsProcessor !== undefined,
    },
    maxTokens,
    stop: typeof stop === 'string' ? [stop] : stop,
    logprobs,
    contextOverflow,
    beginsWith: options.beginsWith ?? [],
    logitBias: new Map(biases),
    mask,
    process: logitsProcessor,
  };
}

function samplerOf({
  temperature = 0,
  topK = 0,
  topP = 1,
  minP = 0,
  repetitionPenalty = 1,
  frequencyPenalty = 0,
  presencePenalty = 0,
  seed = randomSeed(),
}: SamplingOptions): SamplerParameters {
  return {
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
}

/** The tokens that may come whatever was said before; undefined for all. */
function staticMask(
  { allowedTokens, bannedTokens = [] }: SamplingOptions,
  vocabularySize: number,
): Uint32Array | undefined {
  if (!allowedTokens && bannedTokens.length === 0) return undefined;
  return maskOfTokens(vocabularySize, allowedTokens, bannedTokens);
}

/** A seed for whoever gives none. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}
