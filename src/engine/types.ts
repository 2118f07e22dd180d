// The contract between the engine and whoever drives it: options, chunks, figures. src/api re-exports it to pages.

import type { StepProfile } from '../inference/step-profile';
import type {
  AnySchema,
  CompleteToolCall,
  JsonSchema,
  LogitsProcessor,
  ResponseFormat,
  StandardSchema,
  ToolCallPiece,
  ToolChoice,
  ToolDefinition,
} from './answer-shapes';
import type { ModelOptions } from '../plan/load-options';
import type { ModelSource } from '../storage/sources/model-source';
import type { SourceInfo } from '../storage/sources/opened-file';
import type {
  ChatMessage,
  ChatOptions,
  DecodeOptions,
  EncodeOptions,
  TemplateOrigin,
  ToolCallFormat,
} from '../tokenizer';

export type { ChatOptions, SourceInfo, StepProfile };
export type {
  AnySchema,
  CompleteToolCall,
  JsonSchema,
  LogitsProcessor,
  OutputOf,
  ResponseFormat,
  StandardIssue,
  StandardResult,
  StandardSchema,
  ToolCallPiece,
  ToolChoice,
  ToolDefinition,
} from './answer-shapes';
export type {
  ChatMessage,
  TemplateFunction,
  TemplateMessage,
  TemplateOptions,
  TextPart,
  ToolCall,
  ToolCallFormat,
} from '../tokenizer';

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

/** Whether an engine is one for several tabs. */
export interface SharingInfo {
  shared: boolean;
  /** Of one that is: whether its worker, and so the GPU memory, belongs to this tab. Another tab may take it over later. */
  here?: boolean;
  /** Why it is not, where that was asked for. */
  reason?: string;
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

/** What was loaded, and how it runs. */
export interface ModelInfo {
  /** What kind of files it came from; `gguf-split` is a GGUF model in several. */
  format: 'gguf' | 'gguf-split' | 'safetensors';
  /** Version of the GGUF format; undefined for safetensors. */
  formatVersion: number | undefined;
  /** `general.architecture` as GGUF has it, for example `bitnet-b1.58`, whatever the format. */
  architecture: string;
  name: string;
  /** Most tokens that prompt and answer can have together, in this engine. */
  contextLength: number;
  /** Tokens in the vocabulary. */
  vocabularySize: number;
  /** Weights of all tensors. */
  parameterCount: number;
  /** Bytes of GPU buffers held now: weights, work buffers and KV caches. 0 while the engine is suspended. */
  gpuBytes: number;
  /** How the files store tensors, for example `I2_S`, by their part; `PACKED` is that of safetensors. */
  encodings: {
    /** The matrices of the layers. */
    layers: string;
    embedding: string;
    /** The LM head; the embedding's where the two are one. */
    head: string;
    norms: string;
  };
  tokenizer: {
    kind: 'byte-level BPE' | 'SentencePiece BPE';
    /** How text is cut into words, as GGUF names it; undefined where there is none, or the file has rules of its own. */
    preTokenizer: string | undefined;
  };
  /**
   * Where the chat template comes from: the file, the options that the model was loaded with, or the family that was
   * recognised; `plain` if none was.
   */
  chatTemplate: TemplateOrigin;
  /** How the chat template has the model write calls of tools; undefined if the template knows no tools. */
  toolCalls: ToolCallFormat | undefined;
  /** What was decided against the word of the files, or where they say nothing: whole sentences, for people. */
  adjustments: string[];
  /** The variants of the kernels that run here, and those that gave wrong results on this adapter and never run. */
  kernels: { chosen: Record<string, string>; rejected: string[] };
  /** Where the bytes came from: whether the next load finds them in the cache, and if not, why. */
  source: SourceInfo;
  /** Whether other tabs of the origin use the same engine (`shared` of `loadModel`). */
  sharing: SharingInfo;
  /** The adapter as WebGPU describes it; fields are '' where the browser does not say. */
  adapter: { vendor: string; architecture: string; device: string; description: string };
  /** The code path chosen for each capability. */
  codePaths: {
    /**
     * How chunks reach the page: as a transferred stream; over a MessagePort where streams cannot be transferred; or over a
     * BroadcastChannel from the tab that has the engine of all.
     */
    stream: 'local' | 'transferred' | 'message-port' | 'broadcast-channel';
    /** Where attention's scores and sums meet: in registers of a subgroup, or in workgroup memory. */
    reduction: 'subgroups' | 'workgroup';
    /** Half-precision values are stored in 16 bits and computed with in f32; no kernel uses f16 arithmetic yet. */
    f16: 'pack2x16float';
    /**
     * How the KV cache stores keys and values: rounded to f16, in 16 bits, or in 32 where unpacking costs more than reading;
     * or rounded to int8 with a scale for each head and position.
     */
    kvCache: 'f16' | 'f32' | 'int8';
    /** What ternary matrices multiply with: int8 with a scale a token, or one for every 64 columns; or unrounded. */
    activations: 'int8-token' | 'int8-group' | 'f32';
    /**
     * How ternary matrices multiply in decode: four products at a time, by unpacked bytes, or two by one multiplication;
     * or floats, where activations are not int8.
     */
    int8Dot: 'dot4I8Packed' | 'unpack' | 'pairs' | 'floats';
    /** How the embedding is kept: in int8, unrounded, or as the ternary codes of the file. */
    embedding: 'int8' | 'f16' | 'ternary';
    /** The same of the LM head; the two are one matrix where the model has one. */
    head: 'int8' | 'f16' | 'ternary';
  };
}

/** How `tokenize` treats what is not plain text, and how it makes a prompt of messages. */
export type TokenizeOptions = EncodeOptions & ChatOptions;

/** How `detokenize` treats special tokens. */
export type DetokenizeOptions = Pick<DecodeOptions, 'renderSpecial'>;

/** How texts are embedded. */
export interface EmbedOptions {
  /**
   * Put in front of every text. Models that were trained with an instruction for queries want one there, for example
   * `'Instruct: Given a question, find passages that answer it\nQuery: '`, and nothing in front of documents. Default: ''.
   */
  prefix?: string | undefined;
  /** Ends it within one chunk of a text; it then rejects with `aborted`. */
  signal?: AbortSignal | undefined;
}

/** Which step to profile. */
export interface ProfileOptions {
  /** Tokens evaluated at once: 1 (default) is a step of an answer, more are a piece of a prompt. At most 128. */
  tokens?: number | undefined;
  /** Tokens that stand in the context before. Default 0. */
  context?: number | undefined;
  /** Runs of which the mean is taken. Default 8. */
  repeats?: number | undefined;
}

/**
 * A session as an engine has it, with one conversation, or one sequence of tokens, and a KV cache of its own. Callers get a
 * {@link Session}.
 */
export interface CoreSession {
  /** Token ids that stand in the KV cache now; a prompt that begins with them need not evaluate them again. */
  readonly tokenIds: readonly number[];
  /** The conversation so far: what `send` and chat-message prompts have said and what was answered. */
  readonly messages: readonly ChatMessage[];
  /**
   * Continues `prompt`. The stream's backpressure is the demand: a slow reader slows the generation, cancelling it (or
   * breaking out of `for await`) stops it within one step. Failures error the stream with a `TernionError`.
   * A prompt of chat messages replaces `messages`; raw text and token ids leave them as they are.
   */
  generate(prompt: Prompt, options?: PlainGenerateOptions): ReadableStream<GenerateChunk>;
  /** Appends a user turn to `messages` and streams the answer, which is appended too, as far as it came. */
  send(text: string, options?: PlainGenerateOptions): ReadableStream<GenerateChunk>;
  /** As `generate`, for those who do not stream: resolves to the whole answer, or rejects with a `TernionError`. */
  complete(prompt: Prompt, options?: PlainGenerateOptions): Promise<Answer>;
  /**
   * A new session that stands where this one does: with its tokens, its messages, and a copy of its KV cache, made on the GPU.
   * Takes its turn behind the answers that are under way here. Rejects with `out-of-memory` if there is no room.
   */
  fork(): Promise<CoreSession>;
  /**
   * Goes back: drops the last `to` tokens of `tokenIds`, and with them the messages that no longer stand there whole; or the
   * last turns of `messages`, each a user's message with all that answers it, with their tokens. Rejects with
   * `invalid-argument` if there are not so many. Takes its turn behind the answers that are under way here.
   */
  rewind(to: number | { turns: number }): Promise<void>;
  /**
   * The session as data that `engine.restoreSession` takes, in another page or on another day: token ids, messages, and keys
   * and values as they are on the GPU. Takes its turn behind the answers that are under way here.
   */
  save(): Promise<Blob>;
  /** Frees the KV cache. A stream that is still running ends with finishReason `abort`. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** One conversation, or one sequence of tokens, with a KV cache of its own. */
export interface Session extends CoreSession {
  /** See {@link CoreSession.generate}. */
  generate(prompt: Prompt, options?: GenerateOptions): ReadableStream<GenerateChunk>;
  /** See {@link CoreSession.send}. */
  send(text: string, options?: GenerateOptions): ReadableStream<GenerateChunk>;
  /**
   * As `generate`, for those who do not stream: resolves to the whole answer, or rejects with a `TernionError`. With a Standard
   * Schema `answer.parsed` is what that makes of the value; a value that it refuses, for a reason that no shape can hold a model
   * to, is an `answer-refused` that quotes its issues.
   */
  complete<Output>(
    prompt: Prompt,
    options: GenerateOptions & { responseFormat: { type: 'json'; schema: StandardSchema<unknown, Output> } },
  ): Promise<Answer<Output>>;
  complete(prompt: Prompt, options?: GenerateOptions): Promise<Answer>;
  /**
   * Sends `text` as `send` does and lets the model use tools: what it calls is executed, it is told the results, and answers
   * again, until an answer calls nothing, or `maxSteps` answers were given (the last one then has finishReason `tool-calls`).
   */
  run<Schemas extends Record<string, AnySchema>>(
    text: string,
    options: RunOptions<Schemas>,
  ): Promise<RunResult>;
  fork(): Promise<Session>;
}

/** What a tool is executed with: what a Standard Schema makes of the arguments; of a JSON Schema, any object. */
export type ArgumentsOf<Schema> =
  Schema extends StandardSchema<unknown, infer Output> ? Output : Record<string, unknown>;

/** A tool that {@link Session.run} can use. */
export interface RunnableTool<Schema extends AnySchema = AnySchema> extends ToolDefinition<Schema> {
  /**
   * Does what the tool does. What it gives, or resolves to, is told to the model: a string as it is, anything else as JSON. So is
   * the message of an error that it throws. The signal is that of the options.
   */
  execute(args: ArgumentsOf<Schema>, context: { signal: AbortSignal }): unknown;
}

/** What {@link Session.run} is given: tools that can be executed, and options for each answer. */
export interface RunOptions<
  Schemas extends Record<string, AnySchema> = Record<string, AnySchema>,
> extends GenerateOptions {
  tools: { [Name in keyof Schemas]: RunnableTool<Schemas[Name]> };
  /** Most answers. Default 8. */
  maxSteps?: number;
}

/** What a call of a tool came to. */
export interface ToolResult extends CompleteToolCall {
  /** What the tool gave. */
  result?: unknown;
  /** The message of the error that it threw, or why it was not executed. */
  error?: string;
}

/** An answer, and what the calls in it came to. */
export interface RunStep {
  answer: Answer;
  results: ToolResult[];
}

/** The last answer of a run, and all that led to it. */
export interface RunResult extends Answer {
  steps: RunStep[];
}

/** A loaded model, as whoever runs it has it. Callers get an {@link Engine}. */
export interface CoreEngine {
  /** Of the model that was loaded last; `gpuBytes` is 0 once it is gone. */
  readonly info: ModelInfo;
  /**
   * Loads another model in place of the one that is here. That one is freed first, its sessions end as by `dispose`, and
   * calls reject with `disposed` until the new one is ready. If that fails there is no model, and `load` can be called
   * again. Loads take turns; `dispose` ends them with `disposed`.
   */
  load(source: ModelSource, options?: ModelOptions): Promise<void>;
  /**
   * The ids of a text; or of messages, those of the prompt that `generate` makes of them in a new session. Evaluates nothing.
   * Rejects with `template-failed` for messages that the template refuses.
   */
  tokenize(input: string | readonly ChatMessage[], options?: TokenizeOptions): Promise<number[]>;
  detokenize(tokenIds: ArrayLike<number>, options?: DetokenizeOptions): Promise<string>;
  /**
   * One vector for each text, in their order: f32 [width] of length 1, so that the product of two is the cosine of their
   * angle. Only embedding models have them; any other rejects with `unsupported-feature`, as these do when they are to
   * generate. A text longer than the context is `context-overflow`. Texts do not influence one another.
   */
  embed(texts: string | readonly string[], options?: EmbedOptions): Promise<Float32Array[]>;
  /** Evaluates `tokenIds` from an empty context; resolves to the logits after the last one, one per vocabulary entry. */
  nextLogits(tokenIds: ArrayLike<number>): Promise<Float32Array>;
  /**
   * Where the time of a step goes, kernel by kernel, on the GPU's own clock; undefined where the browser has no timestamp
   * queries. Takes its turn among the requests, and a KV cache of its own for that long.
   */
  profile(options?: ProfileOptions): Promise<StepProfile | undefined>;
  /** A new, empty session. Sessions share the weights; their requests queue in order. */
  createSession(): CoreSession;
  /**
   * A session that goes on where the one that was saved stood. Rejects with `corrupt-file` if `blob` is not such a session or
   * is damaged, and with `unsupported-feature` if it belongs to another model. Where its keys and values cannot be used, because
   * this engine keeps them in another format, its tokens are evaluated again with the next answer.
   */
  restoreSession(blob: Blob): Promise<CoreSession>;
  /**
   * Frees all GPU memory, and the device if it is the engine's own, until it is needed again. Conversations stay. An answer
   * that is under way ends its step, or the chunk of its prompt, and waits; so do other calls that are under way. `resume`
   * lets them go on, and so does every call that comes later and needs the GPU, a first read of an answer among them.
   */
  suspend(): Promise<void>;
  /**
   * Brings the model back onto the GPU, if it is not there. What was waiting for that goes on. Rejects with `device-lost` if it
   * cannot be brought back: there is no device, or the source is gone or has changed. The next call tries again.
   */
  resume(): Promise<void>;
  /** Ends everything and frees all GPU memory. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A loaded model. */
export interface Engine extends CoreEngine {
  createSession(): Session;
  restoreSession(blob: Blob): Promise<Session>;
}
