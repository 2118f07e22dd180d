// What a caller may ask for: the options that a page and this thread have in common, each with its bounds.

import type { DetokenizeOptions, EmbedOptions, ProfileOptions, TokenizeOptions } from '../engine/types';
import { MOST_LOGPROBS } from '../kernels/logprobs';
import type { ModelOptions } from '../plan/load-options';
import type { ChatOptions, TemplateOptions } from '../tokenizer';
import { OWN_VARIABLES } from '../tokenizer/messages';
import {
  checkTogether,
  moduleProcessor,
  shapeReaders,
  type ProcessorReader,
  type ReadOptions,
} from './answer-shapes';
import { JsonBudget } from './json';
import { tokenIds, type ModelLimits } from './prompts';
import {
  callable,
  fields,
  flag,
  invalid,
  isObject,
  isPlain,
  list,
  number,
  oneOf,
  optional,
  record,
  refusal,
  text,
  type Fields,
  type Read,
} from './read';
import { abortSignal } from './signals';

const MOST = Number.MAX_SAFE_INTEGER;

/** Reads a template of a caller's, or none: which can be used depends on where the engine is. */
export type TemplateReader = Read<ChatOptions['chatTemplate']>;

/** Further variables of a template: JSON values, under names that are free. */
export const templateOptions: Read<TemplateOptions> = (value, at) => {
  const copy = new JsonBudget().object(value, at);
  const taken = OWN_VARIABLES.find((name) => Object.hasOwn(copy, name));
  if (taken !== undefined) throw refusal(at, `cannot set ${taken}: the engine does`);
  const { tools = null } = copy;
  if (tools === null || (Array.isArray(tools) && tools.every(isPlain))) return copy;
  throw invalid(`${at}.tools`, tools, 'a list of objects');
};

/** Headers of requests. */
export const headers: Read<Record<string, string>> = (value, at) => {
  const copy = record(text(), { most: 1000, wanted: 'a plain object of strings' })(value, at);
  try {
    new Headers(copy);
    return copy;
  } catch (cause) {
    throw refusal(at, `cannot be sent: ${(cause as Error).message}`, cause);
  }
};

const hash: Read<string> = (value, at) => {
  const digits = text({ most: 64 })(value, at);
  if (/^[0-9a-f]{64}$/i.test(digits)) return digits;
  throw invalid(at, value, 'a SHA-256 in 64 hexadecimal digits');
};

const hashes = record(hash, {
  most: 10_000,
  wanted: 'a SHA-256 in 64 hexadecimal digits, or those of files by name',
});

/** Of a plan, with the templates that can be used. */
export function plannable(template: TemplateReader): Fields<Omit<ModelOptions, 'onProgress' | 'onStatus'>> {
  return {
    signal: optional(abortSignal),
    contextLength: optional(number({ min: 1, max: MOST, integer: true })),
    memoryBudget: optional(number({ min: 1, max: Infinity })),
    precision: optional(oneOf('fast', 'exact')),
    headPrecision: optional(oneOf('int8', 'planes', 'f16')),
    kvCache: optional(oneOf('auto', 'f16', 'int8')),
    debug: optional(text()),
    headers: optional(headers),
    credentials: optional(oneOf('omit', 'same-origin', 'include')),
    sha256: optional((value, at) => (typeof value === 'string' ? hash : hashes)(value, at)),
    cache: optional(flag),
    crossOriginStorage: optional(flag),
    chatTemplate: template,
    templateOptions: optional(templateOptions),
  };
}

/** Of a load, with the templates that can be used. */
export function loadable(template: TemplateReader): Fields<ModelOptions> {
  return { ...plannable(template), onProgress: optional(callable()), onStatus: optional(callable()) };
}

/** Of text, or of messages with the templates that can be used. */
export function tokenizeOptions(template: TemplateReader): Read<TokenizeOptions> {
  return fields({
    addBos: optional(flag),
    parseSpecial: optional(flag),
    chatTemplate: template,
    templateOptions: optional(templateOptions),
  });
}

export const detokenizeOptions: Read<DetokenizeOptions> = fields({ renderSpecial: optional(flag) });

export const embedOptions: Read<EmbedOptions> = fields({
  prefix: optional(text()),
  signal: optional(abortSignal),
});

/** Of a model with a context of so many tokens. */
export function profileOptions({ contextLength }: ModelLimits): Read<ProfileOptions> {
  return fields({
    tokens: optional(number({ min: 1, max: contextLength, integer: true })),
    context: optional(number({ min: 0, max: contextLength, integer: true })),
    repeats: optional(number({ min: 1, max: 1000, integer: true })),
  });
}

/** Strings that end an answer are looked for in every piece of it. */
const stops = list(text({ least: 1, most: 4096 }), {
  most: 256,
  wanted: 'a string or a list of strings, none of them empty',
});

/**
 * Of an answer of the model that has these limits, with the templates and processors that can be used. What one option demands of
 * another is checked.
 */
export function generateOptions(
  limits: ModelLimits,
  template: TemplateReader,
  processor: ProcessorReader = moduleProcessor,
): Read<ReadOptions> {
  const { vocabularySize, contextLength } = limits;
  const begun = tokenIds(vocabularySize, contextLength);
  const penalty = optional(number({ min: -100, max: 100 }));
  const read = fields<ReadOptions>({
    ...shapeReaders(vocabularySize),
    logitsProcessor: processor,
    maxTokens: optional(number({ min: 0, max: MOST, integer: true })),
    temperature: optional(number({ min: 0, max: 100 })),
    topK: optional(number({ min: 0, max: 2 ** 31, integer: true })),
    topP: optional(number({ min: 0, max: 1 })),
    minP: optional(number({ min: 0, max: 1 })),
    repetitionPenalty: optional(number({ min: 0.01, max: 100 })),
    frequencyPenalty: penalty,
    presencePenalty: penalty,
    logitBias: optional(logitBias(vocabularySize)),
    seed: optional(number({ min: -MOST, max: MOST, integer: true })),
    stop: optional((value, at) => (typeof value === 'string' ? stops([value], at) : stops(value, at))),
    logprobs: optional(number({ min: 0, max: MOST_LOGPROBS, integer: true })),
    contextOverflow: optional(oneOf('error', 'truncate-middle')),
    beginsWith: optional((value, at) => Array.from(begun(value, at))),
    signal: optional(abortSignal),
    chatTemplate: template,
    templateOptions: optional(templateOptions),
  });
  return (value, at) => {
    const options = read(value, at);
    checkTogether(options);
    return options;
  };
}

/** How far a session is to go back: tokens, or turns. */
export const rewindTo: Read<number | { turns: number }> = (value, at) => {
  const count = number({ min: 0, max: MOST, integer: true });
  if (isObject(value)) return fields({ turns: count })(value, at);
  if (typeof value === 'number') return count(value, at);
  throw invalid(at, value, 'a number of tokens, or {turns}');
};

/** Numbers by token id. Names are ids as numbers are written: no `''`, `'1e3'` or `'01'`, all of which `Number` would take. */
function logitBias(vocabularySize: number): Read<Record<number, number>> {
  const bias = number({ min: -1e9, max: 1e9 });
  const id: Read<string> = (value, at) => {
    const name = text({ most: 10 })(value, at);
    if (/^(0|[1-9]\d*)$/.test(name) && Number(name) < vocabularySize) return name;
    throw invalid(at, value, `a token id from 0 to ${vocabularySize - 1}`);
  };
  return record(bias, { most: vocabularySize, wanted: 'a plain object with token ids for names' }, id);
}
