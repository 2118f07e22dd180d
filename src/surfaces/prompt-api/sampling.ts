// How varied the answers of a session are.

import type { LanguageModelCreateCoreOptions, LanguageModelParams, LanguageModelSamplingMode } from './types';

/** What a mode, or the caller's own numbers, come to. */
export interface Sampling {
  /** Null for the caller's own numbers. */
  samplingMode: LanguageModelSamplingMode | null;
  temperature: number;
  topK: number;
}

/** The defaults are those of Chrome, whose `LanguageModel` pages know. */
export const PARAMS: LanguageModelParams = {
  defaultTopK: 3,
  maxTopK: 128,
  defaultTemperature: 1,
  maxTemperature: 2,
};

const MODES: Readonly<Record<LanguageModelSamplingMode, Pick<Sampling, 'temperature' | 'topK'>>> = {
  'most-predictable': { temperature: 0, topK: 1 },
  predictable: { temperature: 0.4, topK: 3 },
  'slightly-predictable': { temperature: 0.7, topK: 3 },
  balanced: { temperature: PARAMS.defaultTemperature, topK: PARAMS.defaultTopK },
  'slightly-creative': { temperature: 1, topK: 8 },
  creative: { temperature: 1.2, topK: 40 },
  'most-creative': { temperature: 1.5, topK: PARAMS.maxTopK },
};

/** Throws `TypeError` for a mode that there is not, or beside numbers, and `RangeError` for numbers that are too small. */
export function samplingOf({ samplingMode, topK, temperature }: LanguageModelCreateCoreOptions): Sampling {
  if (topK === undefined && temperature === undefined) {
    const mode = samplingMode ?? 'balanced';
    if (!Object.hasOwn(MODES, mode)) throw new TypeError(`There is no samplingMode '${String(mode)}'.`);
    return { samplingMode: mode, ...MODES[mode] };
  }
  if (samplingMode !== undefined)
    throw new TypeError('Give samplingMode, or topK and temperature: not both.');
  return {
    samplingMode: null,
    topK: Math.floor(bounded('topK', topK ?? PARAMS.defaultTopK, 1, PARAMS.maxTopK)),
    temperature: bounded('temperature', temperature ?? PARAMS.defaultTemperature, 0, PARAMS.maxTemperature),
  };
}

/** What is too large is the largest; what is too small is refused. */
function bounded(name: string, value: number, least: number, most: number): number {
  if (value >= least) return Math.min(value, most);
  throw new RangeError(`${name} is ${value}; it must be at least ${least}.`);
}
