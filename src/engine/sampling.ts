// Checks the options of a generation and fills in defaults, before anything touches the GPU.

import { TernionError } from '../errors';
import type { SamplingSettings } from '../inference/generation';
import type { SamplerParameters } from '../kernels/sample';
import { inWords, number } from './number-option';
import type { GenerateOptions } from './types';

/** Options with every default filled in. */
export interface ResolvedOptions extends SamplingSettings {
  /** Infinity where the caller gave none: the context is the limit. */
  maxTokens: number;
  stop: readonly string[];
}

/** Lower temperatures are greedy: in f32 they would become 0, or logits over them infinite. */
const LEAST_TEMPERATURE = 1e-6;

/** Throws `invalid-argument`, naming the option, for any value that cannot be used. */
export function resolveOptions(options: GenerateOptions, vocabularySize: number): ResolvedOptions {
  const sampler: SamplerParameters = {
    temperature: number('temperature', options.temperature, 0, { min: 0, max: 100 }),
    topK: number('topK', options.topK, 0, { min: 0, max: 2 ** 31, integer: true }),
    topP: number('topP', options.topP, 1, { min: 0, max: 1 }),
    minP: number('minP', options.minP, 0, { min: 0, max: 1 }),
    repetitionPenalty: number('repetitionPenalty', options.repetitionPenalty, 1, { min: 0.01, max: 100 }),
    frequencyPenalty: number('frequencyPenalty', options.frequencyPenalty, 0, { min: -100, max: 100 }),
    presencePenalty: number('presencePenalty', options.presencePenalty, 0, { min: -100, max: 100 }),
    seed: seed(options.seed),
  };
  const { temperature, repetitionPenalty, frequencyPenalty, presencePenalty } = sampler;
  const logitBias = biases(options.logitBias, vocabularySize);
  return {
    sampler,
    mode: {
      random: temperature >= LEAST_TEMPERATURE,
      penalties:
        repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0 || logitBias.size > 0,
    },
    maxTokens:
      options.maxTokens === undefined
        ? Infinity
        : number('maxTokens', options.maxTokens, 0, { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true }),
    stop: stopStrings(options.stop),
    logitBias,
  };
}

/** Any integer is a seed; the lower 32 bits count. Without one, a random seed. */
function seed(value: number | undefined): number {
  if (value === undefined) return crypto.getRandomValues(new Uint32Array(1))[0]!;
  if (Number.isSafeInteger(value)) return (value % 2 ** 32) >>> 0;
  throw new TernionError('invalid-argument', `seed is ${inWords(value)}; it must be an integer.`);
}

function stopStrings(stop: GenerateOptions['stop']): readonly string[] {
  const strings = stop === undefined ? [] : typeof stop === 'string' ? [stop] : stop;
  if (Array.isArray(strings) && strings.every((each) => typeof each === 'string' && each !== ''))
    return strings;
  throw new TernionError(
    'invalid-argument',
    'stop must be a string or an array of strings, none of them empty.',
  );
}

function biases(bias: GenerateOptions['logitBias'], vocabularySize: number): ReadonlyMap<number, number> {
  const entries = Object.entries(bias ?? {}).map(([id, value]): [number, number] => [Number(id), value]);
  for (const [id, value] of entries) {
    number(`The token id in logitBias`, id, 0, { min: 0, max: vocabularySize - 1, integer: true });
    number(`logitBias[${id}]`, value, 0, { min: -1e9, max: 1e9 });
  }
  return new Map(entries);
}
