// A conversation: prompts in, a stream of chunks out, and a KV cache that spans the turns.

import { TernionError, throwIfAborted } from '../errors';
import type { ChatFormat } from '../tokenizer';
import type { ModelConfig } from '../model/config';
import { Answer, type AnswerPiece, type AnswerText } from './answer';
import {
  answerGuide,
  callableTools,
  chatWith,
  logitsProcessorOf,
  type AnswerGuide,
  type FollowGrammar,
} from './answer-shape';
import { chunkStream, type Outlet } from './chunk-stream';
import { Clock, type UsageCounts } from './clock';
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
  FinishReason,
  GenerateChunk,
  PlainGenerateOptions,
  Prompt,
  CoreSession,
} from './types';
import { append, wholeAnswer } from './whole-answer';

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

/** What an answer gets from its end when no token comes with it. */
const NOTHING: AnswerPiece = { text: '', tokenIds: [] };
const NOTHING_COUNTED: UsageCounts = {
  promptTokens: 0,
  cachedTokens: 0,
  completionTokens: 0,
  forcedTokens: 0,
  omittedTokens: 0,
  omittedTurns: 0,
};

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
    const { logitsProcessor, ...sampling } = options;
    const resolved = resolveOptions(sampling, host.config.vocabularySize);
    const chat = chatWith(options, host.chat);
    const tools = callableTools(options, chat);
    const clock = new Clock();
    host.residence.wake();
    try {
      await this.#turns.enter(signal);
    } catch {
      outlet.put({ ...NOTHING, finishReason: 'abort', usage: clock.usage(NOTHING_COUNTED) });
      return;
    }
    try {
      const prompt = encode(chat, resolved);
      const answer = new Answer(chat, resolved, {
        // What continues raw text is text, whatever it looks like.
        reasoning: prompt.messages && chat.reasoning,
        tools,
        callIdPrefix: callIdPrefix(resolved.sampler.seed, prompt.ids.length),
      });
      const { mask } = resolved;
      const isChat = prompt.messages !== undefined;
      let held: AnswerGuide | undefined;
      try {
        held = await answerGuide(options, chat, { mask, isChat }, host.follow, signal);
        resolved.process = await logitsProcessorOf(logitsProcessor);
      } catch (error) {
        held?.release();
        if (!(error instanceof TernionError) || error.code !== 'aborted') throw error;
        const counts = { ...NOTHING_COUNTED, promptTokens: prompt.ids.length };
        outlet.put({ ...NOTHING, finishReason: 'abort', usage: clock.usage(counts) });
        return;
      }
      try {
        await this.#turn(prompt, answer, resolved, held?.guide, outlet, signal, clock);
      } finally {
        held?.release();
      }
    } finally {
      this.#turns.leave();
    }
  }

  async #turn(
    prompt: PromptToAnswer,
    answer: Answer,
    options: ResolvedOptions,
    guide: TokenGuide | undefined,
    outlet: Outlet,
    signal: AbortSignal,
    clock: Clock,
  ): Promise<void> {
    const { omittedTokens, omittedTurns } = prompt;
    const limit = Math.min(options.maxTokens, this.host.contextLength - prompt.ids.length);
    /** What the reader was given, which is less than the answer if it cancels while the last chunk is made. */
    const given: AnswerPiece = { text: '', tokenIds: [] };
    for (const token of prompt.sampled ?? []) append(given, answer.push({ token }));
    const run = this.#runOf(prompt.ids, options, limit, [...given.tokenIds], guide);
    const give = (chunk: GenerateChunk): void => {
      if (outlet.put(chunk)) append(given, chunk);
    };
    // The end of the stream is the end of the turn: whoever reads the last chunk may begin the next turn at once.
    const giveLast = async (piece: AnswerPiece, finishReason: FinishReason): Promise<void> => {
      const usage = clock.usage({
        promptTokens: prompt.ids.length,
        cachedTokens: run.cachedTokens,
        completionTokens: answer.tokenIds.length,
        forcedTokens: answer.forcedTokens,
        ...(answer.stopReason !== undefined && { stopReason: answer.stopReason }),
        omittedTokens,
        omittedTurns,
      });
      const last = joined(piece, answer.flush());
      if (finishReason !== 'abort') run.done();
      await run.end();
      give({
        ...last,
        finishReason: finishReason === 'stop' && answer.calls.length > 0 ? 'tool-calls' : finishReason,
        usage,
      });
      this.#keep(prompt, given);
    };
    try {
      await run.enter(signal);
      clock.queued();
      for (;;) {
        if (!(await run.ready(signal))) return await giveLast(NOTHING, 'length');
        // From here to where it is given nothing waits: a token that is taken is given, whenever the signal fires, and is
        // among those that the next device goes on from.
        throwIfAborted(signal);
        const piece = answer.push(run.take());
        clock.token();
        if (answer.stopReason !== undefined) return await giveLast(piece, 'stop');
        if (answer.tokenIds.length >= limit) return await giveLast(piece, 'length');
        give(piece);
        run.watch();
        await outlet.wanted();
        await run.regain(signal);
        throwIfAborted(signal);
      }
    } catch (error) {
      if (!(error instanceof TernionError) || error.code !== 'aborted') throw error;
      await giveLast(NOTHING, 'abort');
    } finally {
      // After a failure. A second one here would only hide the first.
      await run.end().catch(() => {});
      this.#keep(prompt, given);
    }
  }

  /** The prompt's ids, those of what was said before as they were. Throws `context-overflow`. */
  #fit(prompt: Prompt, chat: ChatFormat, { maxTokens, contextOverflow }: ResolvedOptions): FittedPrompt {
    const room = { contextLength: this.host.contextLength, maxTokens, contextOverflow };
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

/** A piece with what comes behind its text. */
function joined(piece: AnswerPiece, rest: AnswerText): AnswerPiece {
  const reasoning = (piece.reasoning ?? '') + (rest.reasoning ?? '');
  const toolCalls = [...(piece.toolCalls ?? []), ...(rest.toolCalls ?? [])];
  return {
    ...piece,
    text: piece.text + rest.text,
    ...(reasoning !== '' && { reasoning }),
    ...(toolCalls.length > 0 && { toolCalls }),
  };
}
