// Writes a response of POST /v1/responses: its events as it comes, and the whole of it, which is what the events add up to.

import type { ToolCallPiece } from '../../engine/types';
import { Tally, type AnswerEnd, type AnswerPiece, type answer } from './answers';
import { newId, now } from './exchange';
import { tokenLogprobs } from './logprobs';

/** An event without its number. */
export interface ResponseEvent {
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
interface OpenText {
  kind: TextKind;
  id: string;
  text: string;
  logprobs: object[];
}

/** A call whose arguments are coming. */
interface OpenCall {
  kind: 'call';
  id: string;
  /** Which call of the answer it is. */
  index: number;
  call_id: string;
  name: string;
  arguments: string;
}

type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

/** Items follow one another: what begins ends what is open. */
export class ResponseWriter {
  readonly #id = newId('resp_');
  readonly #createdAt = now();
  readonly #tally = new Tally();
  readonly #output: object[] = [];
  #open: OpenText | OpenCall | undefined;
  #end: AnswerEnd | undefined;

  constructor(
    /** What the response repeats of the request. */
    private readonly echo: object,
    private readonly model: string,
  ) {}

  /** The events, the first of which come at once, or with the first piece if the answer may yet be refused. */
  async *write(pieces: ReturnType<typeof answer>, refusable: boolean): AsyncGenerator<ResponseEvent, void> {
    if (!refusable) yield* this.#begin();
    let begun = !refusable;
    for await (const piece of pieces) {
      if (!begun) yield* this.#begin();
      begun = true;
      if (!('promptIds' in piece)) yield* this.#piece(piece);
    }
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
      usage: this.#end ? usageObject(this.#tally) : null,
    };
  }

  get #incomplete(): boolean {
    return this.#end?.reason === 'length';
  }

  *#begin(): Events {
    yield { type: 'response.created', response: this.object() };
    yield { type: 'response.in_progress', response: this.object() };
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
    let open = this.#open;
    if (open?.kind !== kind) {
      yield* this.#close();
      open = { kind, id: newId(kind === MESSAGE ? 'msg_' : 'rs_'), text: '', logprobs: [] };
      this.#open = open;
      yield this.#added(textItem(open, 'in_progress', []));
      yield { type: 'response.content_part.added', ...this.#place(open), part: partObject(open) };
    }
    open.text += delta;
    open.logprobs.push(...logprobs);
    const more = kind === MESSAGE ? { logprobs } : {};
    yield { type: `${kind.event}.delta`, ...this.#place(open), delta, ...more };
  }

  *#call({ index, id, name, argumentsText: delta }: ToolCallPiece): Events {
    let open = this.#open;
    if (open?.kind !== 'call' || open.index !== index) {
      yield* this.#close();
      const ids = { id: newId('fc_'), call_id: id ?? newId('call_') };
      open = { kind: 'call', index, ...ids, name: name ?? '', arguments: '' };
      this.#open = open;
      yield this.#added(callItem(open, 'in_progress'));
    }
    if (delta === '') return;
    open.arguments += delta;
    const place = { item_id: open.id, output_index: this.#output.length };
    yield { type: 'response.function_call_arguments.delta', ...place, delta };
  }

  /** Ends the item that is open, if there is one. */
  *#close(): Events {
    const open = this.#open;
    if (!open) return;
    this.#open = undefined;
    const status = this.#incomplete ? 'incomplete' : 'completed';
    const item =
      open.kind === 'call' ? yield* this.#callDone(open, status) : yield* this.#textDone(open, status);
    yield { type: 'response.output_item.done', output_index: this.#output.length, item };
    this.#output.push(item);
  }

  *#textDone(open: OpenText, status: ItemStatus): Generator<ResponseEvent, object> {
    const { kind, text, logprobs } = open;
    const more = kind === MESSAGE ? { logprobs } : {};
    yield { type: `${kind.event}.done`, ...this.#place(open), text, ...more };
    const part = partObject(open);
    yield { type: 'response.content_part.done', ...this.#place(open), part };
    return textItem(open, status, [part]);
  }

  *#callDone(open: OpenCall, status: ItemStatus): Generator<ResponseEvent, object> {
    const { id, name, arguments: written } = open;
    const place = { item_id: id, output_index: this.#output.length };
    yield { type: 'response.function_call_arguments.done', ...place, name, arguments: written };
    return callItem(open, status);
  }

  #added(item: object): ResponseEvent {
    return { type: 'response.output_item.added', output_index: this.#output.length, item };
  }

  #place({ id }: OpenText): { item_id: string; output_index: number; content_index: number } {
    return { item_id: id, output_index: this.#output.length, content_index: 0 };
  }
}

function textItem({ kind, id }: OpenText, status: ItemStatus, content: object[]): object {
  if (kind === MESSAGE) return { type: kind.item, id, role: 'assistant', status, content };
  return { type: kind.item, id, status, summary: [], content };
}

function callItem({ id, call_id, name, arguments: written }: OpenCall, status: ItemStatus): object {
  return { type: 'function_call', id, call_id, name, arguments: written, status };
}

function partObject({ kind, text, logprobs }: OpenText): object {
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
