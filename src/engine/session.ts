// A conversation: prompts in, a stream of chunks out, and a KV cache that spans the turns.

import { TernionError, throwIfAborted } from '../errors';
import type { ChatFormat } from '../tokenizer';
import type { ReadbackRing } from '../gpu/readback';
import { Generation } from '../inference/generation';
import { KvCache } from '../inference/kv-cache';
import { Answer, type AnswerPiece } from './answer';
import { chunkStream } from './chunk-stream';
import { Clock } from './clock';
import { requireGenerating } from './embedding';
import { emptyPrompt, encodePrompt, type EncodedPrompt } from './encode-prompt';
import { GpuTurn } from './gpu-turn';
import { RequestQueue } from './request-queue';
import { resolveOptions, type ResolvedOptions } from './sampling';
import type { Transformer } from '../inference/transformer';
import type { ChatMessage, FinishReason, GenerateChunk, GenerateOptions, Prompt, Session } from './types';

/** What all sessions of an engine share. */
export interface SessionHost {
  transformer: Transformer;
  chat: ChatFormat;
  readbacks: ReadbackRing;
  queue: RequestQueue;
  onDispose(session: LocalSession): void;
}

/** Makes the prompt of a turn when its time has come: it depends on what was said before. */
type Encode = (chat: ChatFormat) => EncodedPrompt;

/** A session beside its engine, in the same thread. */
export class LocalSession implements Session {
  messages: ChatMessage[] = [];
  /** All tokens of the conversation, also the last ones that the cache does not hold yet. */
  #sequence: number[] = [];
  #cache: KvCache | undefined;
  readonly #turns = new RequestQueue();
  readonly #disposal = new AbortController();
  #disposed: Promise<void> | undefined;

  constructor(private readonly host: SessionHost) {}

  get tokenIds(): readonly number[] {
    return this.#cache?.tokenIds ?? [];
  }

  generate(prompt: Prompt, options: GenerateOptions = {}): ReadableStream<GenerateChunk> {
    return this.#stream((chat) => this.#encode(prompt, chat), options);
  }

  send(text: string, options: GenerateOptions = {}): ReadableStream<GenerateChunk> {
    return this.#stream((chat) => {
      if (typeof text !== 'string' || text === '') throw emptyPrompt();
      return this.#encode([...this.messages, { role: 'user', content: text }], chat);
    }, options);
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    this.#disposal.abort(new TernionError('disposed', 'The session was disposed.'));
    await this.#turns.enter();
    this.#cache?.destroy();
    this.#cache = undefined;
    this.#turns.leave();
    this.host.onDispose(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #stream(encode: Encode, options: GenerateOptions): ReadableStream<GenerateChunk> {
    const ends = [this.#disposal.signal, options.signal].filter((signal) => !!signal);
    return chunkStream((signal) => this.#run(encode, options, signal), ends);
  }

  async *#run(
    encode: Encode,
    options: GenerateOptions,
    signal: AbortSignal,
  ): AsyncGenerator<GenerateChunk, void, undefined> {
    if (this.#disposal.signal.aborted) throw this.#disposal.signal.reason;
    const { host } = this;
    requireGenerating(host.transformer.config);
    const resolved = resolveOptions(options, host.transformer.config.vocabularySize);
    const chat = host.chat.with(options);
    const clock = new Clock();
    try {
      await this.#turns.enter(signal);
    } catch {
      yield { text: '', tokenIds: [], finishReason: 'abort', usage: clock.usage(0, 0, 0) };
      return;
    }
    try {
      yield* this.#turn(encode, chat, resolved, signal, clock);
    } finally {
      this.#turns.leave();
    }
  }

  async *#turn(
    encode: Encode,
    chat: ChatFormat,
    options: ResolvedOptions,
    signal: AbortSignal,
    clock: Clock,
  ): AsyncGenerator<GenerateChunk, void, undefined> {
    const prompt = encode(chat);
    const answer = new Answer(chat, options);
    const gpu = new GpuTurn(this.host.queue);
    let cachedTokens = 0;
    // The end of the stream is the end of the turn: whoever reads the last chunk may begin the next turn at once.
    const last = async (piece: AnswerPiece, finishReason: FinishReason): Promise<GenerateChunk> => {
      const text = piece.text + answer.flush();
      const usage = clock.usage(prompt.ids.length, cachedTokens, answer.tokenIds.length);
      await this.#end(gpu, prompt, answer);
      return { text, tokenIds: piece.tokenIds, finishReason, usage };
    };
    try {
      await gpu.enter(signal);
      clock.queued();
      const generation = await this.#begin(prompt.ids, options);
      gpu.generation = generation;
      cachedTokens = generation.cachedTokens;
      await generation.prefill(signal);
      for (;;) {
        throwIfAborted(signal);
        const token = await generation.next();
        if (token === undefined) return yield await last({ text: '', tokenIds: [] }, 'length');
        clock.token();
        const piece = answer.push(token);
        if (answer.stopped) return yield await last(piece, 'stop');
        if (answer.tokenIds.length >= generation.limit) return yield await last(piece, 'length');
        gpu.watch();
        yield piece;
        await gpu.regain(signal);
      }
    } catch (error) {
      if (!(error instanceof TernionError) || error.code !== 'aborted') throw error;
      yield await last({ text: '', tokenIds: [] }, 'abort');
    } finally {
      // After a failure or a reader who left. A second failure here would only hide the first.
      await this.#end(gpu, prompt, answer).catch(() => {});
    }
  }

  #encode(prompt: Prompt, chat: ChatFormat): EncodedPrompt {
    const { vocabularySize } = this.host.transformer.config;
    return encodePrompt(prompt, chat, vocabularySize, this.#sequence);
  }

  async #begin(ids: readonly number[], options: ResolvedOptions): Promise<Generation> {
    const { transformer, readbacks } = this.host;
    const room = transformer.contextLength - ids.length;
    if (room < 1) {
      const message = `The prompt has ${ids.length} tokens; with an answer it must fit ${transformer.contextLength}.`;
      throw new TernionError('context-overflow', message);
    }
    this.#cache ??= await KvCache.create(
      transformer.gpu,
      transformer.config,
      transformer.contextLength,
      transformer.variants.cacheFormat,
    );
    return Generation.create(
      transformer,
      readbacks,
      this.#cache,
      ids,
      options,
      Math.min(options.maxTokens, room),
    );
  }

  /** Gives the GPU back and leaves cache and conversation as they are after what was read of the answer. */
  async #end(gpu: GpuTurn, prompt: EncodedPrompt, answer: Answer): Promise<void> {
    if (gpu.ended) return;
    try {
      await gpu.end();
    } finally {
      if (answer.tokenIds.length > 0) {
        this.#sequence = [...prompt.ids, ...answer.tokenIds];
        if (prompt.messages)
          this.messages = [...prompt.messages, { role: 'assistant', content: answer.text }];
      }
    }
  }
}
