// A conversation: prompts in, a stream of chunks out, and a KV cache that spans the turns.

import { TernionError, throwIfAborted } from '../errors';
import type { ChatFormat } from '../tokenizer';
import type { ReadbackRing } from '../gpu/readback';
import { Generation } from '../inference/generation';
import { KvCache } from '../inference/kv-cache';
import { Answer, type AnswerPiece } from './answer';
import { chunkStream, type Outlet } from './chunk-stream';
import { Clock } from './clock';
import { requireGenerating } from './embedding';
import { encodePrompt, type EncodedPrompt } from './encode-prompt';
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

/** What an answer gets from its end when no token comes with it. */
const NOTHING: AnswerPiece = { text: '', tokenIds: [] };

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
    return this.#stream(
      (chat) => this.#encode([...this.messages, { role: 'user', content: text }], chat),
      options,
    );
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
    return chunkStream((outlet, signal) => this.#run(encode, options, outlet, signal), ends);
  }

  async #run(encode: Encode, options: GenerateOptions, outlet: Outlet, signal: AbortSignal): Promise<void> {
    if (this.#disposal.signal.aborted) throw this.#disposal.signal.reason;
    const { host } = this;
    requireGenerating(host.transformer.config);
    const resolved = resolveOptions(options);
    const chat = host.chat.with(options);
    const clock = new Clock();
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
    const gpu = new GpuTurn(this.host.queue);
    /** What the reader was given, which is less than the answer if it cancels while the last chunk is made. */
    const given: AnswerPiece = { text: '', tokenIds: [] };
    const give = (chunk: GenerateChunk): void => {
      if (!outlet.put(chunk)) return;
      given.text += chunk.text;
      given.tokenIds.push(...chunk.tokenIds);
    };
    let cachedTokens = 0;
    // The end of the stream is the end of the turn: whoever reads the last chunk may begin the next turn at once.
    const giveLast = async (piece: AnswerPiece, finishReason: FinishReason): Promise<void> => {
      const text = piece.text + answer.flush();
      const usage = clock.usage(prompt.ids.length, cachedTokens, answer.tokenIds.length);
      await gpu.end();
      give({ text, tokenIds: piece.tokenIds, finishReason, usage });
      this.#keep(prompt, given);
    };
    try {
      await gpu.enter(signal);
      clock.queued();
      const generation = await this.#begin(prompt.ids, options);
      gpu.generation = generation;
      cachedTokens = generation.cachedTokens;
      await generation.prefill(signal);
      for (;;) {
        if (!(await generation.ready())) return await giveLast(NOTHING, 'length');
        // From here to where it is given nothing waits: a token that is taken is given, whenever the signal fires.
        throwIfAborted(signal);
        const piece = answer.push(generation.take());
        clock.token();
        if (answer.stopped) return await giveLast(piece, 'stop');
        if (answer.tokenIds.length >= generation.limit) return await giveLast(piece, 'length');
        give(piece);
        gpu.watch();
        await outlet.wanted();
        await gpu.regain(signal);
        throwIfAborted(signal);
      }
    } catch (error) {
      if (!(error instanceof TernionError) || error.code !== 'aborted') throw error;
      await giveLast(NOTHING, 'abort');
    } finally {
      // After a failure. A second one here would only hide the first.
      await gpu.end().catch(() => {});
      this.#keep(prompt, given);
    }
  }

  #encode(prompt: Prompt, chat: ChatFormat): EncodedPrompt {
    return encodePrompt(prompt, chat, this.#sequence);
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

  /** Leaves cache and conversation as they are after what the reader was given of the answer. */
  #keep(prompt: EncodedPrompt, { text, tokenIds }: AnswerPiece): void {
    if (tokenIds.length === 0) return;
    this.#cache?.forgetBeyond(prompt.ids.length + tokenIds.length);
    this.#sequence = [...prompt.ids, ...tokenIds];
    if (prompt.messages) this.messages = [...prompt.messages, { role: 'assistant', content: text }];
  }
}
