// The OpenAI paths: what OpenAI documents, and what vLLM and `ternion serve` add to it.

import type { ChatMessage, Prompt } from '../../engine/types';
import { CallReader } from './call-reader';
import {
  WITH_IDS,
  WITHOUT_IDS,
  type Counts,
  type Dialect,
  type End,
  type IdHandling,
  type Piece,
  type Question,
} from './dialect';
import { serverFailed } from './failures';
import type { HttpServer } from './http';
import { idsIn, listIn, numberIn, objectIn, textIn, type Json } from './json';
import {
  biases,
  notUnderstood,
  openAiFormat,
  structuredOutputs,
  toolFields,
  vllmFormat,
} from './shape-fields';
import type {
  Ids,
  PlainRemoteOptions,
  RemoteAlternative,
  RemoteLogprob,
  ServerKind,
  WithIds,
  WithoutIds,
} from './types';

/** What a kind of server understands beyond what OpenAI documents. */
interface Extension<I extends Ids> {
  kind: ServerKind;
  ids: IdHandling<I>;
  /** The ids of a choice. */
  tokenIds(choice: Json): I['tokenIds'];
  /** Fields of a request that OpenAI has not. Throws `invalid-argument` for options that the server cannot follow. */
  fields(options: PlainRemoteOptions, chat: boolean): Json;
}

/** A number of tokens that no context holds. */
const UNTIL_FULL = 2 ** 31 - 1;

/** A vLLM server, version 0.10.2 or later: earlier ones do not know `return_token_ids`. */
export function vllmDialect(http: HttpServer, model: string): Dialect<WithIds> {
  return new OpenAiDialect(http, model, {
    kind: 'vllm',
    ids: WITH_IDS,
    tokenIds: ({ token_ids }) => idsIn(token_ids) ?? [],
    fields: (options, chat) => {
      const { maxTokens, topP = 1, topK = 0, minP = 0, repetitionPenalty = 1, templateOptions } = options;
      const { tools, ...variables } = templateOptions ?? {};
      return {
        ...vllmFormat(options.responseFormat),
        ...(options.allowedTokens && { allowed_token_ids: options.allowedTokens }),
        return_token_ids: true,
        // What is not said is as the model's own generation_config.json has it.
        top_p: topP,
        top_k: topK === 0 ? -1 : topK,
        min_p: minP,
        repetition_penalty: repetitionPenalty,
        // A text that is continued ends after 16 tokens unless this is null.
        ...(!chat && { max_tokens: maxTokens ?? null }),
        // Of tools that are for the template alone calls stay in the text, as the model writes them.
        ...(chat && tools !== undefined && { tools, tool_choice: 'none' }),
        ...(chat && { chat_template_kwargs: variables }),
      };
    },
  });
}

/** Ternion's own server, which says token ids as vLLM does. */
export function ternionDialect(http: HttpServer, model: string): Dialect<WithIds> {
  return new OpenAiDialect(http, model, {
    kind: 'ternion',
    ids: WITH_IDS,
    tokenIds: ({ token_ids }) => idsIn(token_ids) ?? [],
    fields: (options, chat) => {
      const { maxTokens = UNTIL_FULL, topP, topK, minP, repetitionPenalty } = options;
      const { templateOptions, allowedTokens, responseFormat } = options;
      refuse('ternion', { templateOptions, allowedTokens });
      return {
        ...structuredOutputs(responseFormat),
        return_token_ids: true,
        top_p: topP,
        top_k: topK,
        min_p: minP,
        repetition_penalty: repetitionPenalty,
        // As OpenAI has it, a text that is continued ends after 16 tokens by default.
        ...(!chat && { max_tokens: maxTokens }),
      };
    },
  });
}

/** Any other server: no ids, and only the options that OpenAI documents. */
export function plainDialect(http: HttpServer, model: string): Dialect<WithoutIds> {
  return new OpenAiDialect(http, model, {
    kind: 'openai',
    ids: WITHOUT_IDS,
    tokenIds: () => undefined,
    fields: ({ topP, topK, minP, repetitionPenalty, templateOptions, allowedTokens, responseFormat }) => {
      refuse('openai', { topK, minP, repetitionPenalty, templateOptions, allowedTokens });
      return { ...openAiFormat('openai', responseFormat), ...(topP !== undefined && { top_p: topP }) };
    },
  });
}

function refuse(kind: ServerKind, options: Json): void {
  const given = Object.keys(options).find((name) => options[name] !== undefined);
  if (given !== undefined) throw notUnderstood(kind, `options.${given}`);
}

class OpenAiDialect<I extends Ids> implements Dialect<I> {
  constructor(
    private readonly http: HttpServer,
    private readonly model: string,
    private readonly extension: Extension<I>,
  ) {}

  get ids(): IdHandling<I> {
    return this.extension.ids;
  }

  async *ask({ prompt, options }: Question, signal: AbortSignal): AsyncGenerator<Piece<I>, End> {
    const chat = Array.isArray(prompt);
    const url = `${this.http.baseURL}/${chat ? 'chat/completions' : 'completions'}`;
    const body = { ...this.#request(prompt, options), ...this.extension.fields(options, chat) };
    let end: End | undefined;
    let last: I['tokenIds'] = this.ids.join([]);
    const calls = new CallReader();
    for await (const event of this.http.events(url, body, signal)) {
      const choice = objectIn(listIn(event.choices)[0]);
      const piece = this.#piece(event, choice, calls);
      if (this.ids.count(piece.tokenIds) !== 0) last = piece.tokenIds;
      yield piece;
      end ??= this.#end(choice, last, calls.called);
    }
    if (!end) throw serverFailed(url, 'ended the stream before the answer');
    return end;
  }

  #request(prompt: Prompt, options: PlainRemoteOptions): Json {
    const { temperature = 0, maxTokens, seed, stop, logprobs } = options;
    const { frequencyPenalty, presencePenalty } = options;
    const chat = Array.isArray(prompt);
    if (!chat && options.tools && options.toolChoice !== 'none')
      throw notUnderstood(this.extension.kind, 'options.tools for a prompt that is no messages');
    return {
      ...toolFields(options),
      model: this.model,
      ...(chat ? { messages: prompt.map(messageOf) } : { prompt: rawPromptOf(prompt) }),
      stream: true,
      stream_options: { include_usage: true },
      temperature,
      // JSON has no undefined: what is not said is not sent.
      max_tokens: maxTokens,
      seed,
      stop: typeof stop === 'string' ? [stop] : stop,
      logit_bias: biases(options),
      frequency_penalty: frequencyPenalty,
      presence_penalty: presencePenalty,
      ...(logprobs !== undefined && (chat ? { logprobs: true, top_logprobs: logprobs } : { logprobs })),
    };
  }

  #piece(event: Json, choice: Json, calls: CallReader): Piece<I> {
    const delta = objectIn(choice.delta);
    const tokenIds = this.extension.tokenIds(choice);
    return {
      // `delta` in chats, `text` where a text is continued.
      text: textIn(delta.content) || textIn(choice.text),
      reasoning: textIn(delta.reasoning) || textIn(delta.reasoning_content),
      toolCalls: calls.read(delta),
      tokenIds,
      logprobs: this.#logprobs(objectIn(choice.logprobs), tokenIds),
      ...countsIn(event, choice),
    };
  }

  #logprobs(given: Json, tokenIds: I['tokenIds']): RemoteLogprob<I>[] {
    return entriesIn(given).map(({ text, logprob, alternatives }, index) => ({
      tokenId: this.ids.at(tokenIds, index),
      text,
      logprob,
      alternatives,
    }));
  }

  #end(choice: Json, lastIds: I['tokenIds'], called: boolean): End | undefined {
    const { finish_reason: reason, stop_reason: stopped } = choice;
    if (typeof reason !== 'string') return undefined;
    if (reason === 'length' || reason === 'abort') return { finishReason: reason, stopReason: undefined };
    // Where a call was forced, servers say that the answer just stopped.
    const finishReason = called ? 'tool-calls' : 'stop';
    if (typeof stopped === 'string' || typeof stopped === 'number')
      return { finishReason, stopReason: stopped };
    // vLLM says null where it was the model's own end token that ended the answer, which then is the last one.
    const count = this.ids.count(lastIds) ?? 0;
    const byEndToken = stopped === null && (called || reason === 'stop') && count > 0;
    return { finishReason, stopReason: byEndToken ? this.ids.at(lastIds, count - 1) : undefined };
  }
}

/** A text or ids, as `/completions` takes them. */
function rawPromptOf(prompt: Exclude<Prompt, ChatMessage[]>): string | number[] {
  return typeof prompt === 'string' ? prompt : Array.from(prompt.tokenIds);
}

/** A message as OpenAI has it: the arguments of calls are text there. */
export function messageOf({ tool_calls, ...message }: ChatMessage): Json {
  if (!tool_calls) return message;
  const calls = tool_calls.map(({ id, function: { name, arguments: given } }) => ({
    id,
    type: 'function',
    function: { name, arguments: typeof given === 'string' ? given : JSON.stringify(given) },
  }));
  return { ...message, tool_calls: calls };
}

/** The usage comes with the last event; vLLM gives the ids of the prompt with the first, in chats at the top level. */
function countsIn(event: Json, choice: Json): Counts {
  const usage = objectIn(event.usage);
  const promptIds = idsIn(event.prompt_token_ids) ?? idsIn(choice.prompt_token_ids);
  return {
    promptTokens: numberIn(usage.prompt_tokens) ?? promptIds?.length,
    cachedTokens: numberIn(objectIn(usage.prompt_tokens_details).cached_tokens),
    completionTokens: numberIn(usage.completion_tokens),
  };
}

type Entry = Omit<RemoteLogprob, 'tokenId'>;

/** The log-probabilities of a choice: a list of objects in chats, lists beside each other where a text is continued. */
function entriesIn({ content, tokens, token_logprobs, top_logprobs }: Json): Entry[] {
  if (Array.isArray(content)) return listIn(content).map((token) => chatEntry(objectIn(token)));
  const [logprobs, tops] = [listIn(token_logprobs), listIn(top_logprobs)];
  return listIn(tokens).map((text, i) => ({
    text: textIn(text),
    logprob: numberIn(logprobs[i]) ?? -Infinity,
    alternatives: Object.entries(objectIn(tops[i]))
      .map(([token, logprob]) => alternative(token, logprob))
      .sort((a, b) => b.logprob - a.logprob),
  }));
}

function chatEntry({ token, logprob, top_logprobs }: Json): Entry {
  return {
    ...alternative(token, logprob),
    alternatives: listIn(top_logprobs).map((top) => {
      const { token: text, logprob: value } = objectIn(top);
      return alternative(text, value);
    }),
  };
}

/** The text is all that is said of it, and many ids may have the same. */
function alternative(token: unknown, logprob: unknown): RemoteAlternative {
  return { tokenId: undefined, text: textIn(token), logprob: numberIn(logprob) ?? -Infinity };
}
