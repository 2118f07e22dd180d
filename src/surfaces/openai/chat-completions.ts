// POST /v1/chat/completions: https://platform.openai.com/docs/api-reference/chat, with vLLM's `return_token_ids`.

import type { SampledLogprob, ToolCallPiece } from '../../engine/types';
import { CallCollector, type CollectedCall } from '../collect-calls';
import { tellSystem } from '../structured-output';
import {
  answer,
  isRefusable,
  Tally,
  type AnswerPiece,
  type Job,
  type Model,
  type PromptPiece,
} from './answers';
import type { StreamEvent } from './event-stream';
import { failureEvent, newId, now, type Exchange } from './exchange';
import type { Fields } from './fields';
import { MAX_CHOICES, readIncludeUsage, readMaxTokens, readSampling } from './generate-options';
import { tokenLogprobs } from './logprobs';
import { readMessages } from './messages';
import { CHAT_FORMAT, readResponseFormat, readShape, shapeBeside } from './shapes';
import { CHAT_TOOLS, readTools } from './tools';

interface ChatRequest {
  job: Job;
  stream: boolean;
  includeUsage: boolean;
  returnTokenIds: boolean;
}

/** Reads a request for a chat completion. */
export function chatCompletion(fields: Fields, model: Model): Exchange {
  const request = readRequest(fields, model);
  const head = { id: newId('chatcmpl-'), created: now(), model: model.id };
  return {
    stream: request.stream,
    refusable: isRefusable(request.job),
    whole: (signal) => wholeCompletion(request, head, model, signal),
    events: (signal) => completionEvents(request, head, model, signal),
    failure: failureEvent,
    sentinel: true,
  };
}

function readRequest(fields: Fields, { engine: { info } }: Model): ChatRequest {
  const stream = fields.flag('stream') ?? false;
  const returnTokenIds = fields.flag('return_token_ids') ?? false;
  const logprobs = readLogprobs(fields);
  const maxTokens = readMaxTokens(fields, ['max_completion_tokens', 'max_tokens'], 1);
  const tools = readTools(fields, info, CHAT_TOOLS);
  const format = readResponseFormat(fields, 'response_format', CHAT_FORMAT);
  const shape = shapeBeside(readShape(fields, format), tools);
  const messages = readMessages(fields);
  const job: Job = {
    prompt: shape?.words === undefined ? messages : tellSystem(messages, shape.words),
    sampling: {
      ...readSampling(fields, info),
      ...(maxTokens !== undefined && { maxTokens }),
      ...(logprobs !== undefined && { logprobs }),
    },
    shape,
    tools,
    choices: fields.integer('n', { min: 1, max: MAX_CHOICES }) ?? 1,
    promptIds: returnTokenIds ? (stream ? 'before' : 'after') : undefined,
  };
  const request = { job, stream, includeUsage: readIncludeUsage(fields), returnTokenIds };
  fields.done();
  return request;
}

/** `logprobs` is whether, `top_logprobs` how many alternatives. */
function readLogprobs(fields: Fields): number | undefined {
  const wanted = fields.flag('logprobs') ?? false;
  const top = fields.integer('top_logprobs', { min: 0, max: 20 });
  if (wanted) return top ?? 0;
  if (top) throw fields.wrong('logprobs', 'true where top_logprobs is given');
  return undefined;
}

/** What all chunks of a completion and the whole of it have in common. */
interface Head {
  id: string;
  created: number;
  model: string;
}

/** A choice as it comes together. */
class Choice {
  #text = '';
  #reasoning = '';
  readonly #calls = new CallCollector();
  readonly #tokenIds: number[] = [];
  #logprobs: SampledLogprob[] | undefined;
  #reason: string | null = null;

  constructor(private readonly index: number) {}

  add({ text, reasoning = '', calls, tokenIds, logprobs, end }: AnswerPiece): void {
    this.#text += text;
    this.#reasoning += reasoning;
    this.#calls.add(calls);
    this.#tokenIds.push(...tokenIds);
    if (logprobs) (this.#logprobs ??= []).push(...logprobs);
    if (end) this.#reason = end.reason;
  }

  object(returnTokenIds: boolean): object {
    const { calls } = this.#calls;
    const called = calls.length > 0;
    return {
      index: this.index,
      message: {
        role: 'assistant',
        // Beside calls, line breaks between them are no content.
        content: called && this.#text.trim() === '' ? null : this.#text,
        refusal: null,
        ...(this.#reasoning !== '' && { reasoning_content: this.#reasoning }),
        ...(called && { tool_calls: calls.map(callObject) }),
      },
      logprobs: logprobsObject(this.#logprobs),
      finish_reason: this.#reason,
      ...(returnTokenIds && { token_ids: this.#tokenIds }),
    };
  }
}

async function wholeCompletion(
  { job, returnTokenIds }: ChatRequest,
  head: Head,
  model: Model,
  signal: AbortSignal,
): Promise<object> {
  const choices = Array.from({ length: job.choices }, (_, index) => new Choice(index));
  const tally = new Tally();
  let promptIds: number[] = [];
  for await (const piece of answer(model, job, signal)) {
    if ('promptIds' in piece) {
      promptIds = piece.promptIds;
      continue;
    }
    choices[piece.choice]!.add(piece);
    tally.add(piece);
  }
  return {
    ...head,
    object: 'chat.completion',
    choices: choices.map((choice) => choice.object(returnTokenIds)),
    usage: tally.usage,
    ...(returnTokenIds && { prompt_token_ids: promptIds }),
  };
}

async function* completionEvents(
  request: ChatRequest,
  head: Head,
  model: Model,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent, void> {
  const { job, includeUsage } = request;
  const writer = new ChunkWriter(request, head);
  const tally = new Tally();
  // Who speaks is known before anything is computed; it is said later with the prompt's ids, and where nobody may speak at all.
  if (job.promptIds === undefined && !isRefusable(job)) yield writer.opening(0);
  for await (const piece of answer(model, job, signal)) {
    yield* writer.events(piece);
    if (!('promptIds' in piece)) tally.add(piece);
  }
  if (includeUsage) yield writer.event([], { usage: tally.usage });
}

/** Writes the chunks of a stream. */
class ChunkWriter {
  /** Choices that were opened. */
  #opened = 0;

  constructor(
    private readonly request: ChatRequest,
    private readonly head: Head,
  ) {}

  *events(piece: AnswerPiece | PromptPiece): Generator<StreamEvent, void> {
    if ('promptIds' in piece) {
      yield this.opening(0, { prompt_token_ids: piece.promptIds });
      return;
    }
    if (piece.choice === this.#opened) yield this.opening(piece.choice);
    const delta = deltaOf(piece);
    const { returnTokenIds } = this.request;
    const { choice: index, tokenIds, logprobs, end } = piece;
    const says = Object.keys(delta).length > 0;
    if (!says && !end && !returnTokenIds && !logprobs) return;
    const choice = {
      index,
      delta: says || end ? delta : { content: '' },
      logprobs: logprobsObject(logprobs),
      finish_reason: end?.reason ?? null,
      ...(returnTokenIds && { token_ids: tokenIds }),
    };
    yield this.event([choice]);
  }

  /** The first chunk of a choice. */
  opening(index: number, more: object = {}): StreamEvent {
    this.#opened = index + 1;
    const delta = { role: 'assistant', content: '' };
    return this.event([{ index, delta, logprobs: null, finish_reason: null }], more);
  }

  event(choices: object[], more: object = {}): StreamEvent {
    const usage = this.request.includeUsage ? { usage: null } : {};
    return { data: { ...this.head, object: 'chat.completion.chunk', choices, ...usage, ...more } };
  }
}

function deltaOf({ text, reasoning, calls }: AnswerPiece): object {
  return {
    ...(reasoning && { reasoning_content: reasoning }),
    ...(text !== '' && { content: text }),
    ...(calls.length > 0 && { tool_calls: calls.map(callDelta) }),
  };
}

/** With the first piece of a call comes what it is called, and then its arguments, as they come. */
function callDelta({ index, id, name, argumentsText }: ToolCallPiece): object {
  if (name === undefined) return { index, function: { arguments: argumentsText } };
  return { index, id, type: 'function', function: { name, arguments: argumentsText } };
}

function callObject({ id, name, argumentsText }: CollectedCall): object {
  return { id, type: 'function', function: { name, arguments: argumentsText } };
}

function logprobsObject(sampled: readonly SampledLogprob[] | undefined): object | null {
  return sampled ? { content: tokenLogprobs(sampled), refusal: null } : null;
}
