// A conversation: prompts in, a stream of chunks out, and a KV cache that spans the turns.

import { TernionError } from '../errors';
import type { ChatFormat, ToolCallStream } from '../tokenizer';
import type { ModelConfig } from '../model/config';
import { Answer, type AnswerPiece } from './answer';
import {
  answerGuide,
  callableTools,
  chatWith,
  logitsProcessorOf,
  type AnswerGuide,
  type FollowGrammar,
} from './answer-shape';
import { AnswerTurn, begunOf, NOTHING, NOTHING_COUNTED } from './answer-turn';
import { chunkStream, type Outlet } from './chunk-stream';
import { Clock } from './clock';
import { Conversation, type ConversationData } from './conversation';
import { requireGenerating } from './embedding';
import { fitPrompt, type BegunAnswer, type FittedPrompt } from './fit-prompt';
import { RequestQueue } from './request-queue';
import { resolveOptions, type ResolvedOptions } from './sampling';
import { writeSession, type ModelIdentity } from './saved-session';
import { SessionCache, type CacheHost } from './session-cache';
import type { TokenGuide } from '../inference/token-guide';
import { TokenRun } from './token-run';
import type {
  Answer as WholeAnswer,
  ChatMessage,
  GenerateChunk,
  PlainGenerateOptions,
  Prompt,
  CoreSession,
} from './types';
import { wholeAnswer } from './whole-answer';

/** What all sessions of an engine share. */
export interface SessionHost extends CacheHost {
  config: ModelConfig;
  contextLength: number;
  chat: ChatFormat;
  identity: ModelIdentity;
  /** Begins to follow an answer through a grammar. */
  follow: FollowGrammar;
  /** A new session of the same engine, which owns `cache`. */
  open(conversation: Conversation, cache: SessionCache): LocalSession;
  onDispose(session: LocalSession): void;
}

/** A session beside its engine, as those see it who serve it to somebody else. */
export interface HostedSession extends Pick<
  LocalSession,
  Exclude<keyof CoreSession, 'fork'> | 'goOn' | 'memory' | 'remember'
> {
  fork(): Promise<HostedSession>;
}

/** Makes the prompt of a turn when its time has come: it depends on what was said before. The answer may have begun elsewhere. */
type Encode = (chat: ChatFormat, options: ResolvedOptions) => PromptToAnswer;
type PromptToAnswer = FittedPrompt & Partial<Pick<BegunAnswer, 'sampled'>>;

/**
 * A session beside its engine, in the same thread. Its conversation is plain data (`messages`, the tokens that they are, and
 * of an answer under way a `Continuation`); what is on a device can be made from that again, and is, on another one.
 */
export class LocalSession implements CoreSession {
  readonly #turns = new RequestQueue();
  readonly #disposal = new AbortController();
  #disposed: Promise<void> | undefined;

  constructor(
    private readonly host: SessionHost,
    private conversation = new Conversation(),
    private readonly cache = new SessionCache(host),
  ) {}

  get tokenIds(): readonly number[] {
    return this.cache.current?.tokenIds ?? [];
  }

  get messages(): readonly ChatMessage[] {
    return this.conversation.messages;
  }

  /** `onPrompt` is told the prompt as soon as it is known what tokens it is, which is before the first chunk. */
  generate(
    prompt: Prompt,
    options: PlainGenerateOptions = {},
    onPrompt?: (prompt: FittedPrompt) => void,
  ): ReadableStream<GenerateChunk> {
    return this.#stream((chat, resolved) => this.#fit(prompt, chat, resolved), options, onPrompt);
  }

  send(
    text: string,
    options: PlainGenerateOptions = {},
    onPrompt?: (prompt: FittedPrompt) => void,
  ): ReadableStream<GenerateChunk> {
    const encode: Encode = (chat, resolved) =>
      this.#fit([...this.messages, { role: 'user', content: text }], chat, resolved);
    return this.#stream(encode, options, onPrompt);
  }

  /**
   * Streams the rest of an answer that was begun in such a session of another engine, from the next token on. The options
   * are those of its beginning, with the seed that it was sampled with.
   */
  goOn({ prompt, sampled }: BegunAnswer, options: PlainGenerateOptions = {}): ReadableStream<GenerateChunk> {
    return this.#stream(() => ({ ...prompt, sampled }), options);
  }

  /** What stays of the session when its engine is gone: another engine of the same model goes on with it. */
  get memory(): ConversationData {
    const { messages, sequence, marks } = this.conversation;
    return { messages, sequence, marks };
  }

  /** Takes over the conversation of a session of another engine. Its tokens are evaluated with the next prompt. */
  remember(memory: ConversationData): void {
    this.conversation = new Conversation(memory);
  }

  complete(prompt: Prompt, options?: PlainGenerateOptions): Promise<WholeAnswer> {
    return wholeAnswer(this.generate(prompt, options));
  }

  fork(): Promise<LocalSession> {
    return this.#inTurn(async (signal) => {
      const cache = await this.cache.copy(signal);
      return this.host.open(new Conversation(this.conversation), cache);
    });
  }

  rewind(to: number | { turns: number }): Promise<void> {
    return this.#inTurn(async () => {
      this.conversation.rewind(to);
      this.cache.forgetBeyond(this.conversation.sequence);
    });
  }

  save(): Promise<Blob> {
    return this.#inTurn(async (signal) => {
      const keys = await this.cache.read(this.conversation.sequence, signal);
      return writeSession(this.host.identity, this.conversation, keys);
    });
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    this.#disposal.abort(new TernionError('disposed', 'The session was disposed.'));
    await this.#turns.enter();
    this.cache.destroy();
    this.#turns.leave();
    this.host.onDispose(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Does `work` between two answers. Rejects with `disposed` once the session is. */
  async #inTurn<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { signal } = this.#disposal;
    try {
      await this.#turns.enter(signal);
      try {
        return await work(signal);
      } finally {
        this.#turns.leave();
      }
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    }
  }

  #stream(
    encode: Encode,
    options: PlainGenerateOptions,
    onPrompt: (prompt: FittedPrompt) => void = () => {},
  ): ReadableStream<GenerateChunk> {
    const ends = [this.#disposal.signal, options.signal].filter((signal) => !!signal);
    const encodeAloud: Encode = (chat, resolved) => {
      const prompt = encode(chat, resolved);
      onPrompt(prompt);
      return prompt;
    };
    return chunkStream((outlet, signal) => this.#run(encodeAloud, options, outlet, signal), ends);
  }

  async #run(
    encode: Encode,
    options: PlainGenerateOptions,
    outlet: Outlet,
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#disposal.signal.aborted) throw this.#disposal.signal.reason;
    const { host } = this;
    requireGenerating(host.config);
    // A processor may have to be fetched first.
    const sampling = { ...options, logitsProcessor: undefined };
    const resolved = resolveOptions(sampling, host.config.vocabularySize);
    const clock = new Clock();
    host.residence.wake();
    // Its place in the line is that of its call, also where its template has to be read first.
    const entering = this.#turns.enter(signal);
    const { chat, calls } = await this.#chatFor(options, entering);
    try {
      await entering;
    } catch {
      outlet.put({ ...NOTHING, finishReason: 'abort', usage: clock.usage(NOTHING_COUNTED) });
      return;
    }
    try {
      const prompt = encode(chat, resolved);
      const answer = new Answer(chat, resolved, {
        // What continues raw text is text, whatever it looks like.
        reasoning: prompt.messages && chat.reasoning,
        calls,
        callIdPrefix: callIdPrefix(resolved.sampler.seed, prompt.ids.length),
      });
      const given = begunOf(answer, prompt.sampled);
      const isFresh = given.tokenIds.length === 0 && resolved.beginsWith.length > 0;
      const beginning = isFresh ? begunOf(answer, resolved.beginsWith) : undefined;
      const keep = (): void => this.#keep(prompt, given);
      let held: AnswerGuide | undefined;
      try {
        held = await this.#hold(options, chat, resolved, prompt, signal);
      } catch (error) {
        if (!(error instanceof TernionError) || error.code !== 'aborted') throw error;
        const completionTokens = given.tokenIds.length;
        const counts = { ...NOTHING_COUNTED, promptTokens: prompt.ids.length, completionTokens };
        outlet.put({ ...NOTHING, finishReason: 'abort', usage: clock.usage(counts) });
        return keep();
      }
      const limit = Math.min(resolved.maxTokens, host.contextLength - prompt.ids.length);
      const run = this.#runOf(prompt.ids, resolved, limit, [...answer.tokenIds], held?.guide);
      try {
        await new AnswerTurn({ prompt, answer, run, limit, beginning, given, outlet, clock, keep }).giveAll(
          signal,
        );
      } finally {
        held?.release();
      }
    } finally {
      this.#turns.leave();
    }
  }

  /** How an answer's prompt is written, and what finds its calls of tools. If it cannot be, its place in the line is given up. */
  async #chatFor(
    options: PlainGenerateOptions,
    entering: Promise<void>,
  ): Promise<{ chat: ChatFormat; calls: ToolCallStream | undefined }> {
    // An abort is heard by whoever waits for the turn.
    const entered = entering.then(
      () => true,
      () => false,
    );
    try {
      const chat = await chatWith(options, this.host.chat);
      const tools = callableTools(options, chat);
      if (!tools) return { chat, calls: undefined };
      const { toolCallStream } = await import('../tokenizer/tool-calls');
      return { chat, calls: toolCallStream(tools.format, tools.names) };
    } catch (error) {
      void entered.then((isIn) => isIn && this.#turns.leave());
      throw error;
    }
  }

  /** Gets ready what restricts the tokens of an answer; `resolved` gets the processor of its logits. */
  async #hold(
    options: PlainGenerateOptions,
    chat: ChatFormat,
    resolved: ResolvedOptions,
    { messages }: FittedPrompt,
    signal: AbortSignal,
  ): Promise<AnswerGuide | undefined> {
    resolved.process = await logitsProcessorOf(options.logitsProcessor);
    const how = { mask: resolved.mask, isChat: messages !== undefined };
    return answerGuide(options, chat, how, this.host.follow, signal);
  }

  /** The prompt's ids, those of what was said before as they were. Throws `context-overflow`. */
  #fit(
    prompt: Prompt,
    chat: ChatFormat,
    { maxTokens, contextOverflow, beginsWith }: ResolvedOptions,
  ): FittedPrompt {
    const contextLength = this.host.contextLength - beginsWith.length;
    const room = { contextLength, maxTokens, contextOverflow };
    return fitPrompt(prompt, chat, this.conversation.sequence, room);
  }

  #runOf(
    promptIds: number[],
    options: ResolvedOptions,
    limit: number,
    sampled: number[],
    guide: TokenGuide | undefined,
  ): TokenRun {
    const { queue, residence } = this.host;
    const { sampler, mode, logitBias, logprobs, mask, process } = options;
    const sampling = { sampler, mode, logitBias, logprobs, mask, process };
    const continuation = { promptIds, sampled, sampling, limit };
    return new TokenRun(queue, residence, continuation, (resident) => this.cache.on(resident), guide);
  }

  /** Leaves cache and conversation as they are after what the reader was given of the answer. */
  #keep(prompt: FittedPrompt, given: AnswerPiece): void {
    if (given.tokenIds.length > 0)
      this.cache.current?.forgetBeyond(prompt.ids.length + given.tokenIds.length);
    this.conversation.keep(prompt, given);
  }
}

/**
 * What the ids of an answer's calls begin with: another one for each answer, and the same one wherever it goes on.
 */
function callIdPrefix(seed: number, promptTokens: number): string {
  return `call_${((seed ^ Math.imul(promptTokens, 0x9e3779b1)) >>> 0).toString(16).padStart(8, '0')}`;
}
