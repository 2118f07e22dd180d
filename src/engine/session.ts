// A conversation: prompts in, a stream of chunks out, and a KV cache that spans the turns.

import { TernionError, throwIfAborted } from '../errors';
import type { ChatFormat } from '../tokenizer';
import { KvCache } from '../inference/kv-cache';
import type { ModelConfig } from '../model/config';
import { Answer, type AnswerPiece } from './answer';
import { chunkStream, type Outlet } from './chunk-stream';
import { Clock } from './clock';
import { requireGenerating } from './embedding';
import { encodePrompt, type BegunAnswer, type EncodedPrompt } from './encode-prompt';
import { RequestQueue } from './request-queue';
import type { Residence } from './residence';
import type { Resident } from './resident';
import { resolveOptions, type ResolvedOptions } from './sampling';
import { TokenRun } from './token-run';
import type { ChatMessage, FinishReason, GenerateChunk, GenerateOptions, Prompt, Session } from './types';

/** What all sessions of an engine share. */
export interface SessionHost {
  config: ModelConfig;
  contextLength: number;
  chat: ChatFormat;
  queue: RequestQueue;
  residence: Residence;
  onDispose(session: LocalSession): void;
}

/** A session beside its engine, as those see it who serve it to somebody else. */
export type HostedSession = Pick<LocalSession, keyof Session | 'goOn' | 'memory' | 'remember'>;

/** What an answer gets from its end when no token comes with it. */
const NOTHING: AnswerPiece = { text: '', tokenIds: [] };

/** Makes the prompt of a turn when its time has come: it depends on what was said before. The answer may have begun elsewhere. */
type Encode = (chat: ChatFormat) => EncodedPrompt & Partial<Pick<BegunAnswer, 'sampled'>>;

/** What stays of a session when its engine is gone, as plain data: another engine of the same model goes on with it. */
export interface SessionMemory {
  /** All tokens of the conversation. */
  sequence: readonly number[];
  messages: readonly ChatMessage[];
}

/**
 * A session beside its engine, in the same thread. Its conversation is plain data (`messages`, the tokens that they are, and
 * of an answer under way a `Continuation`); what is on a device can be made from that again, and is, on another one.
 */
export class LocalSession implements Session {
  messages: ChatMessage[] = [];
  /** All tokens of the conversation, also the last ones that the cache does not hold yet. */
  #sequence: number[] = [];
  /** Keys and values, and where they are. */
  #cached: { cache: KvCache; resident: Resident } | undefined;
  readonly #turns = new RequestQueue();
  readonly #disposal = new AbortController();
  #disposed: Promise<void> | undefined;

  constructor(private readonly host: SessionHost) {}

  get tokenIds(): readonly number[] {
    return this.#cache?.tokenIds ?? [];
  }

  /** The cache, unless it went with its device. */
  get #cache(): KvCache | undefined {
    return this.#cached?.resident.gone ? undefined : this.#cached?.cache;
  }

  /** `onPrompt` is told the prompt as soon as it is known what tokens it is, which is before the first chunk. */
  generate(
    prompt: Prompt,
    options: GenerateOptions = {},
    onPrompt?: (prompt: EncodedPrompt) => void,
  ): ReadableStream<GenerateChunk> {
    return this.#stream((chat) => this.#encode(prompt, chat), options, onPrompt);
  }

  send(
    text: string,
    options: GenerateOptions = {},
    onPrompt?: (prompt: EncodedPrompt) => void,
  ): ReadableStream<GenerateChunk> {
    const encode: Encode = (chat) => this.#encode([...this.messages, { role: 'user', content: text }], chat);
    return this.#stream(encode, options, onPrompt);
  }

  /**
   * Streams the rest of an answer that was begun in such a session of another engine, from the next token on. The options
   * are those of its beginning, with the seed that it was sampled with.
   */
  goOn({ prompt, sampled }: BegunAnswer, options: GenerateOptions = {}): ReadableStream<GenerateChunk> {
    return this.#stream(() => ({ ...prompt, sampled }), options);
  }

  get memory(): SessionMemory {
    return { sequence: this.#sequence, messages: this.messages };
  }

  /** Takes over the conversation of a session of another engine. Its tokens are evaluated with the next prompt. */
  remember({ sequence, messages }: SessionMemory): void {
    this.#sequence = [...sequence];
    this.messages = [...messages];
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    this.#disposal.abort(new TernionError('disposed', 'The session was disposed.'));
    await this.#turns.enter();
    this.#cached?.cache.destroy();
    this.#cached = undefined;
    this.#turns.leave();
    this.host.onDispose(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #stream(
    encode: Encode,
    options: GenerateOptions,
    onPrompt: (prompt: EncodedPrompt) => void = () => {},
  ): ReadableStream<GenerateChunk> {
    const ends = [this.#disposal.signal, options.signal].filter((signal) => !!signal);
    const encodeAloud: Encode = (chat) => {
      const prompt = encode(chat);
      onPrompt(prompt);
      return prompt;
    };
    return chunkStream((outlet, signal) => this.#run(encodeAloud, options, outlet, signal), ends);
  }

  async #run(encode: Encode, options: GenerateOptions, outlet: Outlet, signal: AbortSignal): Promise<void> {
    if (this.#disposal.signal.aborted) throw this.#disposal.signal.reason;
    const { host } = this;
    requireGenerating(host.config);
    const resolved = resolveOptions(options);
    const chat = host.chat.with(options);
    const clock = new Clock();
    host.residence.wake();
    try {
      await this.#turns.enter(signal);
    } catch {
      outlet.put({ text: '', tokenIds: [], finishReason: 'abort', usage: clock.usage(0, 0, 0) });
      return;
    }
    try {
      await this.#turn(encode, chat, resolved, outlet, signal, clock);
    } finally {
      this.#turns.leave();
    }
  }

  async #turn(
    encode: Encode,
    chat: ChatFormat,
    options: ResolvedOptions,
    outlet: Outlet,
    signal: AbortSignal,
    clock: Clock,
  ): Promise<void> {
    const prompt = encode(chat);
    const answer = new Answer(chat, options);
    const limit = this.#limit(prompt.ids, options);
    /** What the reader was given, which is less than the answer if it cancels while the last chunk is made. */
    const given: AnswerPiece = { text: '', tokenIds: [] };
    for (const id of prompt.sampled ?? []) {
      given.text += answer.push(id).text;
      given.tokenIds.push(id);
    }
    const run = this.#runOf(prompt.ids, options, limit, [...given.tokenIds]);
    const give = (chunk: GenerateChunk): void => {
      if (!outlet.put(chunk)) return;
      given.text += chunk.text;
      given.tokenIds.push(...chunk.tokenIds);
    };
    // The end of the stream is the end of the turn: whoever reads the last chunk may begin the next turn at once.
    const giveLast = async (piece: AnswerPiece, finishReason: FinishReason): Promise<void> => {
      const text = piece.text + answer.flush();
      const usage = clock.usage(prompt.ids.length, run.cachedTokens, answer.tokenIds.length);
      if (finishReason !== 'abort') run.done();
      await run.end();
      give({ text, tokenIds: piece.tokenIds, finishReason, usage });
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
        if (answer.stopped) return await giveLast(piece, 'stop');
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

  #encode(prompt: Prompt, chat: ChatFormat): EncodedPrompt {
    return encodePrompt(prompt, chat, this.#sequence);
  }

  /** Most tokens of an answer to a prompt of `ids`. Throws `context-overflow` if the prompt leaves no room for one. */
  #limit({ length }: readonly number[], { maxTokens }: ResolvedOptions): number {
    const { contextLength } = this.host;
    if (length < contextLength) return Math.min(maxTokens, contextLength - length);
    const message = `The prompt has ${length} tokens; with an answer it must fit ${contextLength}.`;
    throw new TernionError('context-overflow', message);
  }

  #runOf(
    promptIds: number[],
    { sampler, mode, logitBias }: ResolvedOptions,
    limit: number,
    sampled: number[],
  ): TokenRun {
    const { queue, residence } = this.host;
    const continuation = { promptIds, sampled, sampling: { sampler, mode, logitBias }, limit };
    return new TokenRun(queue, residence, continuation, (resident) => this.#cacheOn(resident));
  }

  /** The cache on `resident`, an empty one if the last one was elsewhere. */
  async #cacheOn(resident: Resident): Promise<KvCache> {
    if (this.#cached?.resident === resident) return this.#cached.cache;
    const { gpu, transformer } = resident;
    const { config, contextLength, variants } = transformer;
    this.#cached = undefined;
    const cache = await KvCache.create(gpu, config, contextLength, variants.cacheFormat);
    this.#cached = { cache, resident };
    return cache;
  }

  /** Leaves cache and conversation as they are after what the reader was given of the answer. */
  #keep(prompt: EncodedPrompt, { text, tokenIds }: AnswerPiece): void {
    if (tokenIds.length === 0) return;
    this.#cache?.forgetBeyond(prompt.ids.length + tokenIds.length);
    this.#sequence = [...prompt.ids, ...tokenIds];
    if (prompt.messages) this.messages = [...prompt.messages, { role: 'assistant', content: text }];
  }
}
