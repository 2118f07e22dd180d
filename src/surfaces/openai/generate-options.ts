// The one place where fields of a request become options of a generation.

import type { GenerateOptions, ModelInfo } from '../../engine/types';
import { badRequest } from './api-error';
import { isRecord, type Fields } from './fields';

/** How to choose tokens; seeds are numbers for all choices of a request. */
export type Sampling = Omit<GenerateOptions, 'signal' | 'chatTemplate' | 'templateOptions'>;

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

/**
 * The options of one choice of a request. Choices with a seed have seeds of their own, one after the other, so that they
 * differ, and come out the same the next time.
 */
export function optionsOfChoice(
  sampling: Sampling,
  tools: Tools | undefined,
  choice: number,
  signal: AbortSignal,
): EndingOptions {
  const seed = sampling.seed === undefined ? undefined : seedOfChoice(sampling.seed, choice);
  const templateOptions = tools && { tools: tools.schemas };
  return {
    ...sampling,
    ...(seed !== undefined && { seed }),
    ...(templateOptions && { templateOptions }),
    signal,
  };
}

function seedOfChoice(seed: number, choice: number): number {
  // The end of the numbers is not a place to go on from.
  return seed + choice > LARGE ? seed - choice : seed + choice;
}

/** Only plain text is answered yet. Other formats are refused rather than left to chance. */
export function readResponseFormat(fields: Fields, name: string): void {
  const format = fields.object(name);
  if (!format) return;
  const type = format.text('type');
  if (type !== 'text') {
    throw badRequest(
      fields.at(name),
      `${fields.at(name)} of type '${type}' is not supported yet; 'text' is.`,
    );
  }
  format.done();
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

/** A list of tools in the API's shape, and which of them the model may see. */
export interface Tools {
  /** As templates take them: `{type: 'function', function: {name, description, parameters}}`. */
  schemas: readonly unknown[];
  names: readonly string[];
  /** Whether an answer may have more than one call. */
  parallel: boolean;
}

/** Reads `tools` and `tool_choice`; undefined where the model is to know of none. */
export function readTools(
  fields: Fields,
  model: ModelInfo,
  readTool: (value: unknown, at: string) => { name: string; schema: unknown },
): Tools | undefined {
  const tools = (fields.list('tools') ?? []).map((tool, i) => readTool(tool, `${fields.at('tools')}[${i}]`));
  const parallel = fields.flag('parallel_tool_calls') ?? true;
  const wanted = readToolChoice(fields);
  if (tools.length === 0 || wanted === 'none') return undefined;
  if (!model.toolCalls) {
    throw badRequest(
      fields.at('tools'),
      `${fields.at('tools')}: the chat template of this model knows none.`,
    );
  }
  return { schemas: tools.map(({ schema }) => schema), names: tools.map(({ name }) => name), parallel };
}

function readToolChoice(fields: Fields): 'auto' | 'none' {
  const choice = fields.take('tool_choice') ?? 'auto';
  if (choice === 'auto' || choice === 'none') return choice;
  if (choice !== 'required' && !isRecord(choice)) throw fields.wrong('tool_choice', "'auto' or 'none'");
  const at = fields.at('tool_choice');
  throw badRequest(at, `${at} cannot force a call: that is not supported yet; 'auto' and 'none' are.`);
}
