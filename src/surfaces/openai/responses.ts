// POST /v1/responses, without a state: nothing is kept from one request to the next, as with `store: false`.

import type { FoundCall } from '../../tokenizer/tool-calls';
import { badRequest } from './api-error';
import { answer, Tally, type AnswerEnd, type AnswerPiece, type Job, type Model } from './answers';
import type { StreamEvent } from './event-stream';
import { newId, now, type Exchange } from './exchange';
import { isRecord, type Fields } from './fields';
import { readMaxTokens, readResponseFormat, readSampling, readTools } from './generate-options';
import { tokenLogprobs } from './logprobs';
import { readConversation, readResponseTool } from './response-input';

interface ResponseRequest {
  job: Job;
  stream: boolean;
  /** What the response repeats of the request. */
  echo: object;
}

/** Reads a request for a response. */
export function response(fields: Fields, model: Model): Exchange {
  const request = readRequest(fields, model);
  const makeWriter = (): ResponseWriter => new ResponseWriter(request.echo, model.id);
  let written = 0;
  return {
    stream: request.stream,
    async whole(signal) {
      const writer = makeWriter();
      const events = writer.write(answer(model, request.job, signal));
      while (!(await events.next()).done);
      return writer.object();
    },
    async *events(signal) {
      for await (const data of makeWriter().write(answer(model, request.job, signal))) {
        yield eventOf({ ...data, sequence_number: written++ });
      }
    },
    failure: ({ message, param, code }) =>
      eventOf({ type: 'error', message, param, code, sequence_number: written++ }),
    sentinel: false,
  };
}

function eventOf(data: ResponseEvent & { sequence_number: number }): StreamEvent {
  return { name: data.type, data };
}

function readRequest(fields: Fields, { engine: { info } }: Model): ResponseRequest {
  refuseState(fields);
  const stream = fields.flag('stream') ?? false;
  const maxTokens = readMaxTokens(fields, ['max_output_tokens'], 1);
  const logprobs = readLogprobs(fields);
  const truncation = fields.text('truncation') ?? 'disabled';
  if (truncation !== 'disabled' && truncation !== 'auto')
    throw fields.wrong('truncation', "'auto' or 'disabled'");
  const metadata = fields.take('metadata');
  readText(fields);
  const sampling = readSampling(fields, info);
  const job: Job = {
    prompt: readConversation(fields),
    sampling: {
      ...sampling,
      ...(maxTokens !== undefined && { maxTokens }),
      ...(logprobs !== undefined && { logprobs }),
      ...(truncation === 'auto' && { contextOverflow: 'truncate-middle' as const }),
    },
    tools: readTools(fields, info, readResponseTool),
    choices: 1,
  };
  readStreamOptions(fields);
  fields.done();
  const echo = {
    instructions: fields.take('instructions') ?? null,
    metadata: isRecord(metadata) ? metadata : {},
    max_output_tokens: maxTokens ?? null,
    temperature: sampling.temperature,
    top_p: sampling.topP ?? 1,
    tools: fields.take('tools') ?? [],
    tool_choice: fields.take('tool_choice') ?? 'auto',
    parallel_tool_calls: fields.take('parallel_tool_calls') ?? true,
    truncation,
  };
  return { job, stream, echo };
}

/** What would need an earlier response, or leave this one to be asked for later. */
function refuseState(fields: Fields): void {
  if (fields.text('previous_response_id') !== undefined) {
    const message =
      'previous_response_id is not supported: nothing is stored. Send the whole conversation as input.';
    throw badRequest(fields.at('previous_response_id'), message);
  }
  if (fields.flag('background')) throw badRequest(fields.at('background'), 'background is not supported.');
}

function readLogprobs(fields: Fields): number | undefined {
  const include = fields.list('include') ?? [];
  const known = 'message.output_text.logprobs';
  if (include.some((each) => each !== known))
    throw fields.wrong('include', `a list of nothing but '${known}'`);
  const top = fields.integer('top_logprobs', { min: 0, max: 20 });
  return include.length > 0 ? (top ?? 0) : top;
}

function readText(fields: Fields): void {
  const text = fields.object('text');
  if (!text) return;
  readResponseFormat(text, 'format');
  text.ignore('verbosity');
  text.done();
}

/** There is nothing to choose: usage is part of every response, and nothing is obfuscated. */
function readStreamOptions(fields: Fields): void {
  const options = fields.object('stream_options');
  options?.flag('include_obfuscation');
  options?.done();
}

/** An event without its number. */
interface ResponseEvent {
  type: string;
  [field: string]: unknown;
}

type Events = Generator<ResponseEvent, void>;

/** A kind of item that is made of text, and the words of the API for it. */
interface TextKind {
  item: 'message' | 'reasoning';
  part: 'output_text' | 'reasoning_text';
  event: 'response.output_text' | 'response.reasoning_text';
}

const MESSAGE: TextKind = { item: 'message', part: 'output_text', event: 'response.output_text' };
const REASONING: TextKind = { item: 'reasoning', part: 'reasoning_text', event: 'response.reasoning_text' };

/** An item whose text is coming. */
interface OpenItem {
  kind: TextKind;
  id: string;
  text: string;
  logprobs: object[];
}

/** Writes a response: its events as it comes, and the whole of it, which is what the events add up to. */
class ResponseWriter {
  readonly #id = newId('resp_');
  readonly #createdAt = now();
  readonly #tally = new Tally();
  readonly #output: object[] = [];
  #open: OpenItem | undefined;
  #end: AnswerEnd | undefined;

  constructor(
    private readonly echo: object,
    private readonly model: string,
  ) {}

  async *write(pieces: ReturnType<typeof answer>): AsyncGenerator<ResponseEvent, void> {
    yield { type: 'response.created', response: this.object() };
    yield { type: 'response.in_progress', response: this.object() };
    for await (const piece of pieces) if (!('promptIds' in piece)) yield* this.#piece(piece);
    const type = this.#incomplete ? 'response.incomplete' : 'response.completed';
    yield { type, response: this.object() };
  }

  /** The response as far as it has come. */
  object(): object {
    const incomplete = this.#incomplete;
    const status = incomplete ? 'incomplete' : this.#end ? 'completed' : 'in_progress';
    return {
      id: this.#id,
      object: 'response',
      created_at: this.#createdAt,
      status,
      error: null,
      incomplete_details: incomplete ? { reason: 'max_output_tokens' } : null,
      model: this.model,
      ...this.echo,
      output: [...this.#output],
      previous_response_id: null,
      store: false,
      text: { format: { type: 'text' } },
      usage: this.#end ? usageObject(this.#tally) : null,
    };
  }

  get #incomplete(): boolean {
    return this.#end?.reason === 'length';
  }

  *#piece(piece: AnswerPiece): Events {
    const { text, reasoning, calls, logprobs, end } = piece;
    if (end) {
      this.#end = end;
      this.#tally.add(piece);
    }
    if (reasoning) yield* this.#text(REASONING, reasoning, []);
    if (text !== '') yield* this.#text(MESSAGE, text, logprobs ? tokenLogprobs(logprobs) : []);
    for (const call of calls) yield* this.#call(call);
    if (end) yield* this.#close();
  }

  *#text(kind: TextKind, delta: string, logprobs: object[]): Events {
    if (this.#open?.kind !== kind) {
      yield* this.#close();
      this.#open = { kind, id: newId(kind === MESSAGE ? 'msg_' : 'rs_'), text: '', logprobs: [] };
      const item = this.#itemObject(this.#open, 'in_progress', []);
      yield { type: 'response.output_item.added', output_index: this.#output.length, item };
      const part = { ...this.#place(this.#open), part: partObject(this.#open) };
      yield { type: 'response.content_part.added', ...part };
    }
    const open = this.#open;
    open.text += delta;
    open.logprobs.push(...logprobs);
    const more = kind === MESSAGE ? { logprobs } : {};
    yield { type: `${kind.event}.delta`, ...this.#place(open), delta, ...more };
  }

  /** Ends the item that is open, if there is one. */
  *#close(): Events {
    const open = this.#open;
    if (!open) return;
    this.#open = undefined;
    const { kind, text, logprobs } = open;
    const more = kind === MESSAGE ? { logprobs } : {};
    yield { type: `${kind.event}.done`, ...this.#place(open), text, ...more };
    const part = partObject(open);
    yield { type: 'response.content_part.done', ...this.#place(open), part };
    const item = this.#itemObject(open, this.#incomplete ? 'incomplete' : 'completed', [part]);
    yield { type: 'response.output_item.done', output_index: this.#output.length, item };
    this.#output.push(item);
  }

  *#call({ name, arguments: given }: FoundCall): Events {
    yield* this.#close();
    const written = JSON.stringify(given);
    const item = { type: 'function_call', id: newId('fc_'), call_id: newId('call_'), name };
    const output_index = this.#output.length;
    const begun = { ...item, arguments: '', status: 'in_progress' };
    yield { type: 'response.output_item.added', output_index, item: begun };
    const place = { item_id: item.id, output_index };
    yield { type: 'response.function_call_arguments.delta', ...place, delta: written };
    yield { type: 'response.function_call_arguments.done', ...place, name, arguments: written };
    const done = { ...item, arguments: written, status: 'completed' };
    yield { type: 'response.output_item.done', output_index, item: done };
    this.#output.push(done);
  }

  #place({ id }: OpenItem): { item_id: string; output_index: number; content_index: number } {
    return { item_id: id, output_index: this.#output.length, content_index: 0 };
  }

  #itemObject({ kind, id }: OpenItem, status: string, content: object[]): object {
    if (kind === MESSAGE) return { type: kind.item, id, role: 'assistant', status, content };
    return { type: kind.item, id, status, summary: [], content };
  }
}

function partObject({ kind, text, logprobs }: OpenItem): object {
  return kind === MESSAGE ? { type: kind.part, text, annotations: [], logprobs } : { type: kind.part, text };
}

function usageObject(tally: Tally): object {
  return {
    input_tokens: tally.promptTokens,
    input_tokens_details: { cached_tokens: tally.cachedTokens },
    output_tokens: tally.completionTokens,
    output_tokens_details: { reasoning_tokens: tally.reasoningTokens },
    total_tokens: tally.totalTokens,
  };
}
