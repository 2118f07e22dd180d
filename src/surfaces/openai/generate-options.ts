// The one place where fields of a request become options of a generation.

import type { GenerateOptions, ModelInfo } from '../../engine/types';
import { badRequest } from './api-error';
import type { Fields } from './fields';
import type { Shape } from './shapes';
import type { Tools } from './tools';

/** How to choose tokens; seeds are numbers for all choices of a request. */
export type Sampling = Pick<
  GenerateOptions,
  | 'maxTokens'
  | 'temperature'
  | 'topP'
  | 'topK'
  | 'minP'
  | 'repetitionPenalty'
  | 'frequencyPenalty'
  | 'presencePenalty'
  | 'logitBias'
  | 'seed'
  | 'stop'
  | 'logprobs'
  | 'contextOverflow'
>;

const LARGE = Number.MAX_SAFE_INTEGER;
const MAX_STOPS = 256;
/** Answers to one prompt. */
export const MAX_CHOICES = 128;

/** What clients of other servers send along, and what changes nothing here. */
const IGNORED = ['store', 'metadata', 'user', 'prompt_cache_key', 'service_tier', 'verbosity'];

/** Reads the fields that say how to choose tokens, with the defaults of the OpenAI API. */
export function readSampling(fields: Fields, model: ModelInfo): Sampling {
  fields.ignore(...IGNORED);
  const topK = fields.integer('top_k', { min: -1, max: 2 ** 31 });
  const sampling: Sampling = {
    temperature: fields.number('temperature', { min: 0, max: 2 }) ?? 1,
    topP: fields.number('top_p', { min: 0, max: 1 }),
    // vLLM's word for all of them is -1.
    topK: topK === -1 ? 0 : topK,
    minP: fields.number('min_p', { min: 0, max: 1 }),
    repetitionPenalty: fields.number('repetition_penalty', { min: 0.01, max: 100 }),
    frequencyPenalty: fields.number('frequency_penalty', { min: -2, max: 2 }),
    presencePenalty: fields.number('presence_penalty', { min: -2, max: 2 }),
    logitBias: readLogitBias(fields, model),
    seed: fields.integer('seed', { min: -LARGE, max: LARGE }),
    stop: readStops(fields),
  };
  return withoutGaps(sampling);
}

/** Most tokens of an answer, in the first of the fields `names` that is there. */
export function readMaxTokens(fields: Fields, names: readonly string[], min: number): number | undefined {
  const given = names.map((name) => fields.integer(name, { min, max: LARGE }));
  return given.find((value) => value !== undefined);
}

/** Options of a generation that somebody can end. */
export type EndingOptions = GenerateOptions & { signal: AbortSignal };

/** What a generation is asked for with, but for its prompt. */
export interface Asked {
  sampling: Sampling;
  /** What the answer is held to. */
  shape?: Shape | undefined;
  /** The tools that the model may call. */
  tools?: Tools | undefined;
}

/**
 * The options of one choice of a request. Choices with a seed have seeds of their own, one after the other, so that they
 * differ, and come out the same the next time.
 */
export function optionsOfChoice(
  { sampling, shape, tools }: Asked,
  choice: number,
  signal: AbortSignal,
): EndingOptions {
  const seed = sampling.seed === undefined ? undefined : seedOfChoice(sampling.seed, choice);
  return {
    ...sampling,
    ...(seed !== undefined && { seed }),
    ...(shape && { responseFormat: shape.format }),
    ...(tools && {
      tools: tools.definitions,
      toolChoice: tools.choice,
      parallelToolCalls: tools.parallel,
    }),
    signal,
  };
}

function seedOfChoice(seed: number, choice: number): number {
  // The end of the numbers is not a place to go on from.
  return seed + choice > LARGE ? seed - choice : seed + choice;
}

function readLogitBias(fields: Fields, { vocabularySize }: ModelInfo): Record<number, number> | undefined {
  const biases = fields.object('logit_bias');
  if (!biases) return undefined;
  const entries = biases.names().map((name) => {
    const id = /^(0|[1-9]\d*)$/.test(name) ? Number(name) : vocabularySize;
    if (id < vocabularySize) return [id, biases.number(name, { min: -100, max: 100 }) ?? 0] as const;
    throw badRequest(biases.at(name), `${biases.at(name)} is no token id: they go to ${vocabularySize - 1}.`);
  });
  return Object.fromEntries(entries);
}

function readStops(fields: Fields): string | string[] | undefined {
  const stop = fields.take('stop');
  if (stop === undefined) return undefined;
  const stops = Array.isArray(stop) ? stop : [stop];
  if (stops.length <= MAX_STOPS && stops.every(isStop)) return stops;
  throw fields.wrong('stop', `a string or a list of at most ${MAX_STOPS} strings, none of them empty`);
}

function isStop(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 4096;
}

/** Without the fields that are undefined: options are given, or they are not there. */
function withoutGaps(sampling: Sampling): Sampling {
  return Object.fromEntries(Object.entries(sampling).filter(([, value]) => value !== undefined));
}

/** `stream_options`: whether usage comes at the end of a stream. */
export function readIncludeUsage(fields: Fields): boolean {
  const options = fields.object('stream_options');
  const include = options?.flag('include_usage') ?? false;
  options?.done();
  return include;
}
