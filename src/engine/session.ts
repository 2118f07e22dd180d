// A conversation: prompts in, a stream of chunks out, and a KV cache that spans the turns.

import { TernionError, throwIfAborted } from '../errors';
import {
  checkMessages,
  encodeRaw,
  encodeSegments,
  StopMatcher,
  StreamingDetokenizer,
  type ChatFormat,
} from '../tokenizer';
import type { ReadbackRing } from '../gpu/readback';
import { Generation } from '../inference/generation';
import { KvCache } from '../inference/kv-cache';
import { RequestQueue } from './request-queue';
import { resolveOptions, type ResolvedOptions } from './sampling';
import { checkTokenIds } from './token-ids';
import type { Transformer } from '../inference/transformer';
import type {
  ChatMessage,
  FinishReason,
  GenerateChunk,
  GenerateOptions,
  Prompt,
  Session,
  Usage,
} from './types';

/** What all sessions of an engine share. */
export interface SessionHost {
  transformer: Transformer;
  chat: ChatFormat;
  readbacks: ReadbackRing;
  queue: RequestQueue;
  onDispose(session: LocalSession): void;
}

/** A reader who stays away this long while others wait loses its turn until it comes back, ms. */
const IDLE_MS = 50;

/** A prompt whose ids are known, and the messages that it stands for. */
interface EncodedPrompt {
  ids: number[];
  messages: ChatMessage[] | undefined;
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

  /** Demand drives the generator: nothing happens before the first read, nor beyond what is read. */
  #stream(encode: Encode, options: GenerateOptions): ReadableStream<GenerateChunk> {
    const cancelled = new AbortController();
    const ends = [this.#disposal.signal, options.signal].filter((signal) => !!signal);
    const chunks = this.#run(encode, options, AbortSignal.any([cancelled.signal, ...ends]));
    let advancing = false;
    let forget = (): void => {};
    const advance = async (controller: ReadableStreamDefaultController<GenerateChunk>): Promise<void> => {
      advancing = true;
      const { value, done } = await chunks.next();
      if (!done) controller.enqueue(value);
      if (done || value.finishReason) {
        // Lets the generator leave its turn; nobody may come to read beyond the last chunk.
        await chunks.return();
        controller.close();
        forget();
      }
      advancing = false;
    };
    return new ReadableStream<GenerateChunk>(
      {
        start(controller) {
          // A reader who is away would not take the last chunk, and its turn would never end: it is left for it here.
          const end = (): void => {
            if (!advancing && !cancelled.signal.aborted)
              advance(controller).catch((error) => controller.error(error));
          };
          for (const signal of ends) signal.addEventListener('abort', end, { once: true });
          // Signals outlive streams: what listens to them would keep every prompt and answer.
          forget = () => {
            for (const signal of ends) signal.removeEventListener('abort', end);
          };
        },
        pull: advance,
        async cancel(reason) {
          cancelled.abort(reason);
          forget();
          await chunks.return();
        },
      },
      { highWaterMark: 0 },
    );
  }

  async *#run(
    encode: Encode,
    options: GenerateOptions,
    signal: AbortSignal,
  ): AsyncGenerator<GenerateChunk, void, undefined> {
    if (this.#disposal.signal.aborted) throw this.#disposal.signal.reason;
    const { host } = this;
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

  #encode(prompt: Prompt, chat: ChatFormat): EncodedPrompt {
    const { tokenizer } = chat;
    if (typeof prompt === 'string') {
      if (prompt === '') throw emptyPrompt();
      return { ids: encodeRaw(tokenizer, prompt), messages: undefined };
    }
    if (Array.isArray(prompt)) {
      if (prompt.length === 0) throw emptyPrompt();
      checkMessages(prompt);
      return { ids: encodeSegments(tokenizer, chat.render(prompt), this.#sequence), messages: prompt };
    }
    const ids = checkTokenIds(prompt?.tokenIds, this.host.transformer.config.vocabularySize);
    if (ids.length === 0) throw emptyPrompt();
    return { ids, messages: undefined };
  }
}

/** The GPU during a turn: held while there is demand, lent to others who wait while there is none. */
class GpuTurn {
  generation: Generation | undefined;
  ended = false;
  #holds = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #pausing: Promise<void> | undefined;

  constructor(private readonly queue: RequestQueue) {}

  async enter(signal: AbortSignal): Promise<void> {
    await this.queue.enter(signal);
    this.#holds = true;
  }

  /** From now until `regain`, gives the GPU away if someone waits for it longer than a reader may take. */
  watch(): void {
    this.#timer = setInterval(() => {
      if (this.queue.contended) this.#pausing ??= this.#lend();
    }, IDLE_MS);
  }

  /** The reader is back. */
  async regain(signal: AbortSignal): Promise<void> {
    clearInterval(this.#timer);
    await this.#pausing;
    this.#pausing = undefined;
    if (!this.#holds) await this.enter(signal);
  }

  /** Lets what is in flight end, and leaves. */
  async end(): Promise<void> {
    this.ended = true;
    clearInterval(this.#timer);
    try {
      await this.#pausing;
      await this.generation?.finish();
    } finally {
      this.#leave();
    }
  }

  async #lend(): Promise<void> {
    // A failure shows when the reader is back and asks for the next token.
    await this.generation?.pause().catch(() => {});
    this.#leave();
  }

  #leave(): void {
    if (this.#holds) this.queue.leave();
    this.#holds = false;
  }
}

/** What one token adds to an answer. */
interface AnswerPiece {
  text: string;
  tokenIds: number[];
}

/** The text and tokens of an answer as they come. */
class Answer {
  readonly tokenIds: number[] = [];
  text = '';
  /** An end token or a stop string has come. */
  stopped = false;
  readonly #detokenizer: StreamingDetokenizer;
  readonly #stops: StopMatcher;
  #cut = false;

  constructor(
    private readonly chat: ChatFormat,
    options: ResolvedOptions,
  ) {
    this.#detokenizer = new StreamingDetokenizer(chat.tokenizer);
    this.#stops = new StopMatcher(options.stop);
  }

  push(token: number): AnswerPiece {
    this.tokenIds.push(token);
    if (this.chat.endIds.has(token)) {
      this.stopped = true;
      return { text: '', tokenIds: [token] };
    }
    const { text, stop } = this.#stops.push(this.#detokenizer.push(token));
    this.text += text;
    this.#cut = stop !== undefined;
    this.stopped = this.#cut;
    return { text, tokenIds: [token] };
  }

  /** What was held back and is final now that nothing more comes. */
  flush(): string {
    if (this.#cut) return '';
    const rest = this.#stops.push(this.#detokenizer.flush()).text + this.#stops.flush();
    this.text += rest;
    return rest;
  }
}

/** Times of one generation. */
class Clock {
  readonly #start = performance.now();
  #queued = this.#start;
  #first: number | undefined;
  #last = this.#start;

  queued(): void {
    this.#queued = performance.now();
  }

  token(): void {
    this.#last = performance.now();
    this.#first ??= this.#last;
  }

  usage(promptTokens: number, cachedTokens: number, completionTokens: number): Usage {
    const first = this.#first ?? performance.now();
    const decodeMs = this.#first === undefined ? 0 : this.#last - first;
    return {
      promptTokens,
      cachedTokens,
      completionTokens,
      queueMs: this.#queued - this.#start,
      prefillMs: first - this.#queued,
      decodeMs,
      tokensPerSecond: decodeMs > 0 ? ((completionTokens - 1) * 1000) / decodeMs : 0,
    };
  }
}

function emptyPrompt(): TernionError {
  return new TernionError('invalid-argument', 'The prompt is empty.');
}
