// The contract between the engine and whoever drives it: engine and session, and by name what belongs to them. src/api re-exports
// it to pages.

import type { StepProfile } from '../inference/step-profile';
import type { ModelOptions } from '../plan/load-options';
import type { ModelSource } from '../storage/sources/model-source';
import type { SourceInfo } from '../storage/sources/opened-file';
import type { ChatMessage, ChatOptions, DecodeOptions, EncodeOptions } from '../tokenizer';
import type { AnySchema, GivesValue } from './answer-shapes';
import type {
  Answer,
  AnswerStream,
  GenerateChunk,
  GenerateOptions,
  PlainGenerateOptions,
  Prompt,
} from './generation-types';
import type { ModelInfo } from './info-types';
import type { RunOptions, RunResult } from './run-types';

export type { ChatOptions, SourceInfo, StepProfile };
export type * from './answer-shapes';
export type * from './generation-types';
export type * from './info-types';
export type * from './run-types';
export type {
  ChatMessage,
  TemplateFunction,
  TemplateMessage,
  TemplateOptions,
  TextPart,
  ToolCall,
  ToolCallFormat,
} from '../tokenizer';

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
  generate<Output = unknown>(
    prompt: Prompt,
    options?: GenerateOptions & GivesValue<Output>,
  ): AnswerStream<Output>;
  /** See {@link CoreSession.send}. */
  send<Output = unknown>(text: string, options?: GenerateOptions & GivesValue<Output>): AnswerStream<Output>;
  /**
   * As `generate`, for those who do not stream: resolves to the whole answer, or rejects with a `TernionError`. With a Standard
   * Schema `answer.parsed` is what that makes of the value; a value that it refuses, for a reason that no shape can hold a model
   * to, is an `answer-refused` that quotes its issues.
   */
  complete<Output = unknown>(
    prompt: Prompt,
    options?: GenerateOptions & GivesValue<Output>,
  ): Promise<Answer<Output>>;
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

/** What a session begins with. */
export interface SessionOptions {
  /** What the system says first, as its message of role `system`. */
  system?: string | undefined;
  /** What was said before, such as a conversation that was kept. With `system`, none of its own may stand at its beginning. */
  messages?: readonly ChatMessage[] | undefined;
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
  /**
   * A new session, in which `messages` were said so far: they are evaluated with the first prompt that contains them. Sessions share
   * the weights; their requests queue in order.
   */
  createSession(messages?: readonly ChatMessage[]): CoreSession;
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
export interface Engine extends Omit<CoreEngine, 'createSession'> {
  /**
   * A new session, empty unless the options say what it begins with. Nothing is evaluated yet. Throws `invalid-argument`, and
   * `disposed` when there is no model. Sessions share the weights; their requests queue in order.
   */
  createSession(options?: SessionOptions): Session;
  restoreSession(blob: Blob): Promise<Session>;
}
