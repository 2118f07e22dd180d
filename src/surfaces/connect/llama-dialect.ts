// llama-server's own paths, which say ids: its OpenAI paths do not.

import type { Prompt } from '../../engine/types';
import { TernionError } from '../../errors';
import { reasoningMarksIn, ReasoningSplitter } from '../../tokenizer/reasoning';
import { toolCallFormatOf, toolCallStream } from '../../tokenizer/tool-calls';
import { WITH_IDS, type Dialect, type End, type Piece, type Question } from './dialect';
import { serverFailed } from './failures';
import type { HttpServer } from './http';
import { idsIn, listIn, numberIn, objectIn, textIn, type Json } from './json';
import { messageOf } from './openai-dialect';
import { biases, llamaFormat, notUnderstood, toolList } from './shape-fields';
import { TextSplitter } from './text-splitter';
import type { PlainRemoteOptions, RemoteAlternative, RemoteLogprob, WithIds } from './types';

/** `/apply-template` makes a prompt of messages, and `/completion` continues it. */
export class LlamaDialect implements Dialect<WithIds> {
  readonly ids = WITH_IDS;
  /** The server's chat template; undefined until it was asked for. */
  #template: string | undefined;

  constructor(
    private readonly http: HttpServer,
    private readonly model: string,
  ) {}

  async *ask(
    { prompt, options, streamed }: Question,
    signal: AbortSignal,
  ): AsyncGenerator<Piece<WithIds>, End> {
    refuse(options, prompt);
    const url = `${this.http.root}/completion`;
    const body = { ...requestOf(options), model: this.model, stream: streamed };
    const rendered = await this.#prompt(prompt, options, signal);
    const splitter = Array.isArray(prompt) ? await this.#splitter(rendered, options, signal) : undefined;
    const question = { ...body, prompt: rendered };
    let last: number | undefined;
    for await (const event of this.#events(url, question, signal)) {
      const piece = pieceIn(event, options);
      last = piece.tokenIds.at(-1) ?? last;
      const over = event.stop === true;
      yield splitter ? { ...piece, ...splitter.push(piece.text, over) } : piece;
      if (over) return endIn(event, last, splitter?.called ?? false);
    }
    throw serverFailed(url, 'ended the stream before the answer');
  }

  async #prompt(
    prompt: Prompt,
    { templateOptions = {}, tools: called, toolChoice }: PlainRemoteOptions,
    signal: AbortSignal,
  ): Promise<string | number[]> {
    if (typeof prompt === 'string') return prompt;
    if (!Array.isArray(prompt)) return Array.from(prompt.tokenIds);
    const { tools: told, ...variables } = templateOptions;
    const tools = called && toolChoice !== 'none' ? toolList(called) : told;
    const url = `${this.http.root}/apply-template`;
    const conversation = { messages: prompt.map(messageOf), tools, chat_template_kwargs: variables };
    const rendered = objectIn(
      await this.http.post(url, { ...conversation, model: this.model }, signal),
    ).prompt;
    if (typeof rendered === 'string') return rendered;
    throw serverFailed(url, 'made no prompt of the messages');
  }

  /**
   * Takes reasoning and calls out of the text, which is sent as the model writes it: by the marks for reasoning that the server's
   * template knows, and in the way in which it has calls written.
   */
  async #splitter(
    prompt: string | number[],
    { tools, toolChoice }: PlainRemoteOptions,
    signal: AbortSignal,
  ): Promise<TextSplitter> {
    this.#template ??= textIn(await this.#templateText(signal));
    const marks = reasoningMarksIn(this.#template);
    const reasoning =
      marks && typeof prompt === 'string'
        ? new ReasoningSplitter({ marks, opened: prompt.trimEnd().endsWith(marks.open) })
        : undefined;
    if (!tools || toolChoice === 'none') return new TextSplitter(reasoning, undefined);
    const format = toolCallFormatOf(this.#template);
    if (format) return new TextSplitter(reasoning, toolCallStream(format, Object.keys(tools)));
    throw new TernionError(
      'unsupported-feature',
      'The chat template of the server knows no tools, or is not known.',
    );
  }

  /** A server may not say: then the reasoning stays in the text. */
  async #templateText(signal: AbortSignal): Promise<unknown> {
    try {
      return objectIn(await this.http.get(`${this.http.root}/props`, signal)).chat_template;
    } catch (error) {
      if (error instanceof TernionError && error.code === 'server-failed') return '';
      throw error;
    }
  }

  async *#events(url: string, body: Json, signal: AbortSignal): AsyncGenerator<Json, void> {
    if (body.stream === true) yield* this.http.events(url, body, signal);
    else yield objectIn(await this.http.post(url, body, signal));
  }
}

/** Calls are found in what the model writes: it is told of tools, and held to nothing. */
function refuse(
  { tools, toolChoice = 'auto', parallelToolCalls, allowedTokens }: PlainRemoteOptions,
  prompt: Prompt,
): void {
  const refused = (what: string): TernionError => notUnderstood('llama-server', `options.${what}`);
  if (allowedTokens) throw refused('allowedTokens');
  if (!tools || toolChoice === 'none') return;
  if (!Array.isArray(prompt)) throw refused('tools for a prompt that is no messages');
  if (toolChoice !== 'auto') throw refused("toolChoice, but for 'auto' and 'none',");
  if (parallelToolCalls === false) throw refused('parallelToolCalls');
}

/**
 * Penalties are to count all of the context, and not the last 64 tokens. llama-server has no number for that (-1 was one, and is
 * refused by now), and makes room for as many as are said, four bytes each: so it is said only where something is penalised.
 */
const LONGEST_CONTEXT = 2 ** 20;

/** Everything is said that has another default there. */
function requestOf(options: PlainRemoteOptions): Json {
  const { maxTokens, temperature = 0, topK = 0, topP = 1, minP = 0, seed, stop = [] } = options;
  const { repetitionPenalty = 1, frequencyPenalty = 0, presencePenalty = 0, logprobs } = options;
  const penalised = repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0;
  return {
    return_tokens: true,
    cache_prompt: true,
    n_predict: maxTokens ?? -1,
    temperature,
    top_k: topK,
    top_p: topP,
    min_p: minP,
    repeat_penalty: repetitionPenalty,
    ...(penalised && { repeat_last_n: LONGEST_CONTEXT }),
    frequency_penalty: frequencyPenalty,
    presence_penalty: presencePenalty,
    seed,
    stop: typeof stop === 'string' ? [stop] : stop,
    ...llamaFormat(options.responseFormat),
    logit_bias: Object.entries(biases(options) ?? {}).map(([id, bias]) => [Number(id), bias]),
    // Of none it says nothing, not even the sampled token's own.
    n_probs: logprobs === undefined ? 0 : Math.max(1, logprobs),
  };
}

/** The last event of a stream brings counts and no token; an answer that is not streamed is one event with all. */
function pieceIn(event: Json, { logprobs: asked = 0 }: PlainRemoteOptions): Piece<WithIds> {
  return {
    text: textIn(event.content),
    reasoning: '',
    toolCalls: [],
    tokenIds: idsIn(event.tokens) ?? [],
    logprobs: listIn(event.completion_probabilities).flatMap((token) => logprobIn(objectIn(token), asked)),
    promptTokens: numberIn(event.tokens_evaluated),
    // `tokens_cached` is not it: that counts what stands in the cache after the answer.
    cachedTokens: numberIn(objectIn(event.timings).cache_n),
    completionTokens: numberIn(event.tokens_predicted),
  };
}

/** A token of which the server gave a probability, with `asked` alternatives; nothing if it did not say which token. */
function logprobIn({ id, token, logprob, top_logprobs }: Json, asked: number): RemoteLogprob<WithIds>[] {
  const tokenId = numberIn(id);
  if (tokenId === undefined) return [];
  const tops = listIn(top_logprobs).map((top) => alternativeIn(objectIn(top)));
  // Beside the sampled token stands what was given out with it, which may be nothing yet; in the list it is the token's own.
  const text = tops.find((top) => top.tokenId === tokenId)?.text ?? textIn(token);
  return [{ tokenId, text, logprob: numberIn(logprob) ?? -Infinity, alternatives: tops.slice(0, asked) }];
}

function alternativeIn({ id, token, logprob }: Json): RemoteAlternative {
  return { tokenId: numberIn(id), text: textIn(token), logprob: numberIn(logprob) ?? -Infinity };
}

function endIn(
  { stop_type: type, stopping_word: word }: Json,
  last: number | undefined,
  called: boolean,
): End {
  if (type === 'limit') return { finishReason: 'length', stopReason: undefined };
  return {
    finishReason: called ? 'tool-calls' : 'stop',
    stopReason: type === 'word' ? textIn(word) : type === 'eos' ? last : undefined,
  };
}
