// What an engine over a server is: the shapes of a local one, less what a server cannot do, and plain about what it does not say.

import type {
  ChatMessage,
  CompleteToolCall,
  FinishReason,
  GenerateOptions,
  GivesValue,
  PlainGenerateOptions,
  Prompt,
  SessionOptions,
  ToolCallPiece,
  Usage,
} from '../../engine/types';

/** The servers that are told apart. */
export type ServerKind = 'vllm' | 'llama-server' | 'ternion' | 'openai';

/** Which server to speak to, and how. */
export interface ConnectOptions {
  /** Where the OpenAI paths are, as that client has it: with `/v1` at its end, for example `http://localhost:8000/v1`. */
  baseURL: string | URL;
  /** The model, as the server names it. Default: the first that it lists. */
  model?: string | undefined;
  /** Sent as a bearer token. A key that is in a page is everybody's. */
  apiKey?: string | undefined;
  /** What kind of server it is. Default: it is asked. `openai` is every server that has only what OpenAI documents. */
  server?: ServerKind | undefined;
  /** Further headers of every request. */
  headers?: Record<string, string> | undefined;
  /** In place of the global `fetch`. */
  fetch?: typeof fetch | undefined;
  /** How often a request is tried again of which no answer came, or which the server was too busy for. Default 2. */
  maxRetries?: number | undefined;
  /** Ends the questions that are asked first. Answers have signals of their own. */
  signal?: AbortSignal | undefined;
}

/** Of a server that says the ids of the tokens it sampled. */
export interface WithIds {
  hasTokenIds: true;
  tokenIds: number[];
  tokenId: number;
}

/** Of a server that says none. They are not guessed: tokenizing a text again need not give what was sampled. */
export interface WithoutIds {
  hasTokenIds: false;
  tokenIds: undefined;
  tokenId: undefined;
}

/** Whether a server says ids, and so what stands in their places. */
export type Ids = WithIds | WithoutIds;

/**
 * As for a local engine, temperature 0 by default included. Templates are the server's, and so is what becomes of a prompt that
 * is too long. `templateOptions` are understood by vLLM and llama-server alone, and `topK`, `minP` and `repetitionPenalty` by
 * all but servers of kind `openai`; elsewhere they are `invalid-argument`. So is what a server cannot be asked for of
 * `responseFormat`, `tools`, `toolChoice` and `allowedTokens`. `bannedTokens` become the strongest bias that there is.
 */
export type RemoteGenerateOptions = Omit<GenerateOptions, NotRemote>;

/** The same, with JSON Schemas for all schemas. */
export type PlainRemoteOptions = Omit<PlainGenerateOptions, NotRemote>;

type NotRemote = 'chatTemplate' | 'contextOverflow' | 'logitsProcessor';

/** A likely token. */
export interface RemoteAlternative {
  /** Undefined where the server gives only the text. */
  tokenId: number | undefined;
  text: string;
  logprob: number;
}

/** A sampled token with its alternatives, likeliest first. */
export interface RemoteLogprob<I extends Ids = Ids> {
  tokenId: I['tokenId'];
  text: string;
  logprob: number;
  alternatives: RemoteAlternative[];
}

/** Counts of tokens as the server gives them, and times as they were here, the network included. */
export interface RemoteUsage extends Pick<Usage, 'timeToFirstTokenMs' | 'decodeMs' | 'stopReason'> {
  /** Undefined where the server did not say, as when an answer was ended. */
  promptTokens: number | undefined;
  /** Tokens of the prompt that the server did not evaluate again; undefined where it did not say. */
  cachedTokens: number | undefined;
  /** Tokens sampled. Undefined where neither their number nor their ids were said. */
  completionTokens: number | undefined;
  /** Sampled tokens after the first, per second of decodeMs. Undefined if their number is. */
  tokensPerSecond: number | undefined;
  /**
   * Sampled tokens whose ids did not come, in answers that have ids. llama-server leaves them out of a stream where a
   * character ends only in a later token; `complete` asks it without streaming and gets all.
   */
  missingTokenIds: number;
}

/** A piece of an answer. */
export interface RemoteChunk<I extends Ids = Ids> {
  /** Text as the server sends it: complete characters. */
  text: string;
  /** What the server keeps apart as reasoning. */
  reasoning?: string;
  /** What has come of calls of tools; only where `tools` were given. */
  toolCalls?: ToolCallPiece[];
  /** The ids as sampled, in order; undefined with a server that says none. */
  tokenIds: I['tokenIds'];
  /** In the order of the tokens; only where `logprobs` was asked for. llama-server gives none for some, see {@link RemoteUsage}. */
  logprobs?: RemoteLogprob<I>[];
  /** On the last chunk only. */
  finishReason?: FinishReason;
  /** On the last chunk only. */
  usage?: RemoteUsage;
}

/** A whole answer. */
export interface RemoteAnswer<I extends Ids = Ids, Parsed = unknown> {
  text: string;
  /** The value of an answer in JSON, as its Standard Schema has made it where one was given. Absent where the answer was cut. */
  parsed?: Parsed;
  reasoning?: string;
  /** The calls that are whole; absent where there is none. */
  toolCalls?: CompleteToolCall[];
  tokenIds: I['tokenIds'];
  logprobs?: RemoteLogprob<I>[];
  finishReason: FinishReason;
  usage: RemoteUsage;
}

/** An answer as it comes, or at once: see `AnswerStream` of `ternion`. */
export interface RemoteAnswerStream<I extends Ids = Ids, Parsed = unknown> extends ReadableStream<
  RemoteChunk<I>
> {
  /** The whole text, however the answer ended; without reasoning and calls of tools. */
  text(): Promise<string>;
  /** The value that the text is. Rejects with `answer-refused` where there is none. */
  json(): Promise<Parsed>;
  /** The whole answer. */
  complete(): Promise<RemoteAnswer<I, Parsed>>;
  /** See `AnswerStream` of `ternion`. */
  [Symbol.asyncIterator](): AsyncIteratorObject<RemoteChunk<I>, undefined, unknown>;
}

/** A conversation with a server, which is kept here: the server is told all of it each time. */
export interface RemoteSession<I extends Ids = Ids> {
  /** What `send` and chat-message prompts have said and what was answered. */
  readonly messages: readonly ChatMessage[];
  /**
   * Continues `prompt`. The stream's backpressure reaches the connection, and cancelling the stream, aborting the signal or
   * disposing of the session closes it. Failures error the stream with a `TernionError`.
   */
  generate<Output = unknown>(
    prompt: Prompt,
    options?: RemoteGenerateOptions & GivesValue<Output>,
  ): RemoteAnswerStream<I, Output>;
  /** Appends a user turn to `messages` and streams the answer, which is appended too, as far as it came. */
  send<Output = unknown>(
    text: string,
    options?: RemoteGenerateOptions & GivesValue<Output>,
  ): RemoteAnswerStream<I, Output>;
  /** As `generate`, for those who do not stream: resolves to the whole answer, or rejects with a `TernionError`. */
  complete<Output = unknown>(
    prompt: Prompt,
    options?: RemoteGenerateOptions & GivesValue<Output>,
  ): Promise<RemoteAnswer<I, Output>>;
  /** Ends what is under way with finishReason `abort`. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What is known of a server. */
export interface ServerInfo {
  kind: ServerKind;
  /** With no slash at its end. */
  baseURL: string;
  model: string;
  /** Most tokens of prompt and answer together; undefined where the server does not say. */
  contextLength: number | undefined;
}

/**
 * A model on a server. It has no `nextLogits`, `profile`, `suspend` and `load`, and its sessions no `tokenIds`, `fork`, `rewind`
 * and `save`: those are of a model that is here.
 */
export interface RemoteEngine<I extends Ids = Ids> {
  readonly info: ServerInfo;
  /** Whether chunks have token ids. */
  readonly hasTokenIds: I['hasTokenIds'];
  /** A new session, empty unless the options say what it begins with. Throws `invalid-argument`, and `disposed`. */
  createSession(options?: SessionOptions): RemoteSession<I>;
  /** Disposes of all sessions. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** An engine over some server: `hasTokenIds` tells which of the two. */
export type ConnectedEngine = RemoteEngine<WithIds> | RemoteEngine<WithoutIds>;
