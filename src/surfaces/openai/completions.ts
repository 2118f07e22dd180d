// POST /v1/completions: raw prompts, as texts or token ids, with vLLM's `return_token_ids`.

import type { Prompt, SampledLogprob } from '../../engine/types';
import { badRequest } from './api-error';
import { answer, isRefusable, Tally, type AnswerPiece, type Job, type Model } from './answers';
import type { StreamEvent } from './event-stream';
import { failureEvent, newId, now, type Exchange } from './exchange';
import type { Fields } from './fields';
import { MAX_CHOICES, readIncludeUsage, readMaxTokens, readSampling } from './generate-options';
import { completionLogprobs } from './logprobs';
import { readShape } from './shapes';

/** As at OpenAI, where nobody says how long a completion may be. */
const DEFAULT_MAX_TOKENS = 16;
const MAX_PROMPTS = 2048;

interface CompletionRequest {
  /** One for each prompt. */
  jobs: Job[];
  /** Answers to each of them. */
  choices: number;
  stream: boolean;
  includeUsage: boolean;
  returnTokenIds: boolean;
}

/** Reads a request for a completion. */
export function completion(fields: Fields, model: Model): Exchange {
  const request = readRequest(fields, model);
  const head = { id: newId('cmpl-'), object: 'text_completion', created: now(), model: model.id };
  return {
    stream: request.stream,
    refusable: request.jobs.some(isRefusable),
    whole: (signal) => wholeCompletion(request, head, model, signal),
    events: (signal) => completionEvents(request, head, model, signal),
    failure: failureEvent,
    sentinel: true,
  };
}

function readRequest(fields: Fields, { engine: { info } }: Model): CompletionRequest {
  const stream = fields.flag('stream') ?? false;
  const returnTokenIds = fields.flag('return_token_ids') ?? false;
  const choices = fields.integer('n', { min: 1, max: MAX_CHOICES }) ?? 1;
  const logprobs = fields.integer('logprobs', { min: 0, max: 20 });
  const sampling = {
    ...readSampling(fields, info),
    maxTokens: readMaxTokens(fields, ['max_tokens'], 0) ?? DEFAULT_MAX_TOKENS,
    ...(logprobs !== undefined && { logprobs }),
  };
  if (fields.flag('echo')) throw badRequest(fields.at('echo'), 'echo is not supported.');
  const promptIds = returnTokenIds ? (stream ? 'before' : 'after') : undefined;
  const shape = readShape(fields);
  const jobs = readPrompts(fields, info.vocabularySize).map((prompt): Job => {
    return { prompt, sampling, shape, choices, promptIds };
  });
  const request = { jobs, choices, stream, includeUsage: readIncludeUsage(fields), returnTokenIds };
  fields.done();
  return request;
}

/** `prompt`: a text, token ids, or a list of either. */
function readPrompts(fields: Fields, vocabularySize: number): Prompt[] {
  const prompt = fields.take('prompt');
  const prompts: unknown[] = Array.isArray(prompt) && typeof prompt[0] !== 'number' ? prompt : [prompt];
  const read = prompts.map((each) => readPrompt(each, vocabularySize));
  if (read.length > 0 && read.length <= MAX_PROMPTS && read.every((each) => each !== undefined)) return read;
  throw fields.wrong(
    'prompt',
    `a string, token ids below ${vocabularySize}, or a list of either, none empty`,
  );
}

function readPrompt(prompt: unknown, vocabularySize: number): Prompt | undefined {
  if (typeof prompt === 'string') return prompt === '' ? undefined : prompt;
  const isId = (id: unknown): id is number =>
    typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < vocabularySize;
  if (!Array.isArray(prompt) || prompt.length === 0 || !prompt.every(isId)) return undefined;
  return { tokenIds: prompt };
}

/** A choice as it comes together. */
class Choice {
  text = '';
  readonly tokenIds: number[] = [];
  logprobs: SampledLogprob[] | undefined;
  reason: string | null = null;
  promptIds: number[] | undefined;

  add(piece: AnswerPiece): void {
    this.text += piece.text;
    this.tokenIds.push(...piece.tokenIds);
    if (piece.logprobs) (this.logprobs ??= []).push(...piece.logprobs);
    if (piece.end) this.reason = piece.end.reason;
  }

  object(index: number, returnTokenIds: boolean): object {
    return {
      index,
      text: this.text,
      logprobs: this.logprobs ? completionLogprobs(this.logprobs, 0) : null,
      finish_reason: this.reason,
      ...(returnTokenIds && { prompt_token_ids: this.promptIds, token_ids: this.tokenIds }),
    };
  }
}

async function wholeCompletion(
  { jobs, choices, returnTokenIds }: CompletionRequest,
  head: object,
  model: Model,
  signal: AbortSignal,
): Promise<object> {
  const made: Choice[] = [];
  const tally = new Tally();
  for (const job of jobs) {
    const own = Array.from({ length: choices }, () => new Choice());
    for await (const piece of answer(model, job, signal)) {
      if ('promptIds' in piece) {
        for (const choice of own) choice.promptIds = piece.promptIds;
        continue;
      }
      own[piece.choice]!.add(piece);
      tally.add(piece);
    }
    made.push(...own);
  }
  const objects = made.map((choice, index) => choice.object(index, returnTokenIds));
  return { ...head, choices: objects, usage: tally.usage };
}

async function* completionEvents(
  request: CompletionRequest,
  head: object,
  model: Model,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent, void> {
  const { jobs, choices, includeUsage } = request;
  const tally = new Tally();
  const usage = includeUsage ? { usage: null } : {};
  for (const [i, job] of jobs.entries()) {
    const writer = new ChoiceWriter(i * choices, request.returnTokenIds);
    for await (const piece of answer(model, job, signal)) {
      if ('promptIds' in piece) {
        writer.promptIds = piece.promptIds;
        continue;
      }
      tally.add(piece);
      const choice = writer.choice(piece);
      if (choice) yield { data: { ...head, choices: [choice], ...usage } };
    }
  }
  if (includeUsage) yield { data: { ...head, choices: [], usage: tally.usage } };
}

/** Writes the pieces of the choices of one prompt. */
class ChoiceWriter {
  promptIds: number[] = [];
  /** Choices that have begun. */
  #begun = 0;
  /** Where in the text of the present choice the next token begins. */
  #offset = 0;

  constructor(
    private readonly firstIndex: number,
    private readonly returnTokenIds: boolean,
  ) {}

  /** The choice of a chunk; undefined if there is nothing to say yet. */
  choice(piece: AnswerPiece): object | undefined {
    const { choice, text, tokenIds, logprobs, end } = piece;
    const first = choice === this.#begun;
    if (text === '' && !end && !logprobs && !this.returnTokenIds) return undefined;
    if (first) {
      this.#begun++;
      this.#offset = 0;
    }
    const offset = this.#offset;
    for (const token of logprobs ?? []) this.#offset += token.text.length;
    return {
      index: this.firstIndex + choice,
      text,
      logprobs: logprobs ? completionLogprobs(logprobs, offset) : null,
      finish_reason: end?.reason ?? null,
      ...(this.returnTokenIds && first && { prompt_token_ids: this.promptIds }),
      ...(this.returnTokenIds && { token_ids: tokenIds }),
    };
  }
}
