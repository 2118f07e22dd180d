// The contract of a generation: what is asked for, and what comes.

import type { ChatMessage, ChatOptions } from '../tokenizer';
import type {
  CompleteToolCall,
  JsonSchema,
  LogitsProcessor,
  ResponseFormat,
  ToolCallPiece,
  ToolChoice,
  ToolDefinition,
} from './answer-shapes';

/**
 * What to continue: raw text (the begin-of-text token is added where the model wants it, and special tokens written in
 * it are recognised), chat messages (rendered with the model's chat template), or token ids taken as they are.
 */
export type Prompt = string | ChatMessage[] | { tokenIds: ArrayLike<number> };

/**
 * How to choose tokens, when to stop, and how messages become a prompt (`templateOptions` are added to those that the
 * model was loaded with). All optional.
 */
export interface GenerateOptions extends ChatOptions {
  /** Most tokens to generate. Default: until the context is full. */
  maxTokens?: number;
  /** 0 (default) always takes the likeliest token; higher is more varied. */
  temperature?: number;
  /** Sample among the `topK` likeliest tokens only. 0 (default): no limit. */
  topK?: number;
  /** Sample among the fewest tokens whose probabilities add up to `topP`. 1 (default): no limit. */
  topP?: number;
  /** Leave out tokens less likely than `minP` times the likeliest. 0 (default): none. */
  minP?: number;
  /** Divides the positive logits, and multiplies the negative ones, of tokens in prompt and answer. 1 (default): off. */
  repetitionPenalty?: number;
  /** Taken from a token's logit for each time it was generated. 0 (default): off. */
  frequencyPenalty?: number;
  /** Taken from the logit of every token that was generated. 0 (default): off. */
  presencePenalty?: number;
  /** Added to logits, by token id. */
  logitBias?: Record<number, number>;
  /** Same seed, same options, same adapter: same tokens. Default: a random seed. */
  seed?: number;
  /** Strings that end the generation; they are not part of the text. */
  stop?: string | string[];
  /**
   * Gives each sampled token's log-probability and as many of the likeliest alternatives, 0 to 20, in `chunk.logprobs`. They
   * are of the model itself: before penalties, biases, temperature and filters. Default: none are computed.
   */
  logprobs?: number;
  /**
   * What becomes of a prompt that does not fit the context. `error` (default) refuses it with `context-overflow`.
   * `truncate-middle` leaves out the oldest turns of messages, but for the system's and the newest ones; of raw text and token
   * ids it leaves out what stands behind the first quarter. `usage` says how much.
   */
  contextOverflow?: 'error' | 'truncate-middle';
  /**
   * The shape of the answer: one that ends with finishReason `stop` has it, one that was cut is a beginning of it. What cannot be
   * enforced is refused with `unsupported-feature` before anything is generated. Not together with `tools`, unless `toolChoice`
   * is `none`. Default: any text.
   */
  responseFormat?: ResponseFormat;
  /**
   * Tools that the model may call, by name. It is told of them by its chat template, and its calls are held to their schemas;
   * what it calls comes in `chunk.toolCalls`. A model whose template knows no tools refuses them with `unsupported-feature`.
   */
  tools?: Record<string, ToolDefinition>;
  /** Which of `tools` it calls. Default `auto`. */
  toolChoice?: ToolChoice;
  /** Whether an answer may call several tools. Default true. */
  parallelToolCalls?: boolean;
  /** Only these tokens are sampled; none that ends an answer unless it is among them. Default: all. */
  allowedTokens?: readonly number[];
  /** These tokens are never sampled. Default: none. */
  bannedTokens?: readonly number[];
  /**
   * Changes the logits of each token before it is sampled. A function only beside the engine (`ternion/inline`, Node): for a
   * worker it is the default export of a module at an address. Logits are read back from the GPU and written to it for each
   * token, which `allowedTokens`, `bannedTokens` and `logitBias` do without.
   */
  logitsProcessor?: LogitsProcessor | { url: string | URL };
  /** Ends the generation within one step; the last chunk then has finishReason `abort`. */
  signal?: AbortSignal;
}

/** {@link ResponseFormat} as data that can be sent to a worker: schemas are JSON Schemas. */
export type PlainFormat = ResponseFormat<JsonSchema>;

/** {@link GenerateOptions} behind the boundary: schemas are JSON Schemas, and an address is a string. */
export interface PlainGenerateOptions extends Omit<
  GenerateOptions,
  'responseFormat' | 'tools' | 'logitsProcessor'
> {
  responseFormat?: PlainFormat;
  tools?: Record<string, ToolDefinition<JsonSchema>>;
  logitsProcessor?: LogitsProcessor | { url: string };
}

/**
 * Why a generation ended: an end token or stop string, the same behind calls of tools, a full budget or context, or the caller.
 */
export type FinishReason = 'stop' | 'tool-calls' | 'length' | 'abort';

/** Counts of tokens, and times in milliseconds, of one generation. */
export interface Usage {
  /** Tokens of the whole prompt. */
  promptTokens: number;
  /** Those of them that were found in the KV cache and not evaluated again. */
  cachedTokens: number;
  /** Tokens of the answer, the end token included. */
  completionTokens: number;
  /** Those of them that were appended without sampling, because `responseFormat` or `tools` left no choice. */
  forcedTokens: number;
  /** Waiting for earlier requests, ms. */
  queueMs: number;
  /** Evaluating the prompt up to the first sampled token, ms. */
  prefillMs: number;
  /** From the first sampled token to the last, ms. */
  decodeMs: number;
  /** Sampled tokens after the first, per second of decodeMs. 0 if there were none. */
  tokensPerSecond: number;
  /** From the call to the first sampled token, the wait for earlier requests included, ms. 0 if there was none. */
  timeToFirstTokenMs: number;
  /** The stop string, or the id of the end token, that ended the answer; absent where something else did. */
  stopReason?: string | number;
  /** Tokens of the prompt that `contextOverflow: 'truncate-middle'` left out; 0 otherwise. */
  omittedTokens: number;
  /** Turns of messages that it left out, each a user's message with all that answers it; 0 otherwise. */
  omittedTurns: number;
}

/** A token, and how likely the model itself took it to be. */
export interface TokenLogprob {
  tokenId: number;
  /** The token's own bytes as text, control tokens as the vocabulary writes them. Parts of characters are U+FFFD. */
  text: string;
  /** Natural logarithm of its probability, before penalties, biases, temperature and filters. */
  logprob: number;
}

/** A sampled token with its alternatives. */
export interface SampledLogprob extends TokenLogprob {
  /** The likeliest tokens, likeliest first, as many as were asked for; the sampled one may be among them. */
  alternatives: TokenLogprob[];
}

/** A piece of a generation. Ids and characters are different counts: never compare one with the other. */
export interface GenerateChunk {
  /**
   * Text that is final. Joined over the stream it equals decoding all ids at once (without the end token), less what came as
   * `reasoning` and `toolCalls` and the marks around them.
   */
  text: string;
  /** Text of the model's reasoning that is final: what stands between the marks of its template. Absent where there is none. */
  reasoning?: string;
  /** What has come of calls of tools, in the order of the answer; only where `tools` were given. Absent where there is none. */
  toolCalls?: ToolCallPiece[];
  /** The ids exactly as sampled. Joined over the stream they are the whole generation, the end token included. */
  tokenIds: number[];
  /** One for each of `tokenIds`; only where `logprobs` was asked for. */
  logprobs?: SampledLogprob[];
  /** On the last chunk only. */
  finishReason?: FinishReason;
  /** On the last chunk only. */
  usage?: Usage;
}

/**
 * An answer as it comes, chunk by chunk; or at once, by one of these functions, for which nothing is to be read before. Each
 * reads the stream to its end and locks it, so an answer is read in one way: a stream that has a reader, or was read to its end, is
 * refused with a `TypeError`, as streams do. What the answer fails with is what they reject with.
 */
export interface AnswerStream<Parsed = unknown> extends ReadableStream<GenerateChunk> {
  /** The whole text, however the answer ended; without reasoning and calls of tools. */
  text(): Promise<string>;
  /**
   * The value that the text is; with a Standard Schema in `responseFormat`, what that makes of it. Rejects with `answer-refused`
   * where the answer was cut (by `maxTokens`, a full context, a stop string or a signal), calls tools, or is no JSON, and where the
   * schema refuses the value.
   */
  json(): Promise<Parsed>;
  /** The whole answer, with counts and the reason why it ended. */
  complete(): Promise<Answer<Parsed>>;
  /** For `for await`, in every browser. Projects under TypeScript 5 may have no types of streams that are iterable. */
  [Symbol.asyncIterator](): AsyncIteratorObject<GenerateChunk, undefined, unknown>;
}

/** A whole answer: what the chunks of a stream come to. */
export interface Answer<Parsed = unknown> {
  text: string;
  /**
   * Of `responseFormat: {type: 'json'}`: the value that `text` is, as its Standard Schema has made it where it was given one.
   * Absent where the answer ended before the value did (by `maxTokens`, a full context, a stop string or the signal).
   */
  parsed?: Parsed;
  /** Absent where there was none. */
  reasoning?: string;
  /** The calls that are whole; absent where there is none. */
  toolCalls?: CompleteToolCall[];
  tokenIds: number[];
  /** Only where `logprobs` was asked for. */
  logprobs?: SampledLogprob[];
  finishReason: FinishReason;
  usage: Usage;
}
