// The engine and the sessions that a page holds: the same interface as in the worker, call by call.

import type { Remote } from 'comlink';
import { TernionError } from '../errors';
import type {
  ChatMessage,
  DetokenizeOptions,
  EmbedOptions,
  Engine,
  GenerateChunk,
  GenerateOptions,
  ModelInfo,
  ProfileOptions,
  Prompt,
  Session,
  StepProfile,
  TokenizeOptions,
} from '../engine/types';
import type { ModelOptions } from '../plan/load-options';
import type { ModelSource } from '../storage/sources/model-source';
import { portReader, streamReader, type FrameReader } from '../worker/frames';
import {
  toError,
  type Outcome,
  type RemotePrompt,
  type SessionState,
  type StreamTransport,
  type WorkerApi,
} from '../worker/protocol';
import { checkChatOptions, checkPrompt } from './chat-options';
import { sendableSource } from './sendable';
import type { WorkerLink } from './worker-link';

/** An engine in a worker. */
export class RemoteEngine implements Engine {
  #info: ModelInfo;
  /** Counts the models. A session belongs to one of them. */
  #model = 0;
  /** Whether the model of that number is there. */
  #ready = true;
  #disposed: Promise<void> | undefined;

  constructor(
    private readonly link: WorkerLink,
    info: ModelInfo,
    private readonly streamTransport?: StreamTransport,
  ) {
    this.#info = info;
  }

  async load(source: ModelSource, options: ModelOptions = {}): Promise<void> {
    this.#assertUsable();
    const sent = await sendableSource(source, options);
    this.#assertUsable();
    const model = ++this.#model;
    this.#gone();
    const info = await this.link.load(sent, options, this.streamTransport);
    // If yet another one was asked for meanwhile, this one goes at once.
    if (model !== this.#model || this.#disposed) return;
    this.#info = info;
    this.#ready = true;
  }

  get info(): ModelInfo {
    return this.#info;
  }

  async tokenize(text: string, options?: TokenizeOptions): Promise<number[]> {
    return this.call((api) => api.tokenize(text, options));
  }

  async detokenize(tokenIds: ArrayLike<number>, options?: DetokenizeOptions): Promise<string> {
    return this.call((api) => api.detokenize(tokenIds, options));
  }

  async embed(texts: string | readonly string[], options?: EmbedOptions): Promise<Float32Array[]> {
    this.#assertUsable();
    return this.link.embed(texts, options);
  }

  async nextLogits(tokenIds: ArrayLike<number>): Promise<Float32Array> {
    return this.call((api) => api.nextLogits(tokenIds));
  }

  async profile(options?: ProfileOptions): Promise<StepProfile | undefined> {
    return this.call((api) => api.profile(options));
  }

  createSession(): RemoteSession {
    this.#assertUsable();
    if (!this.#ready) throw new TernionError('disposed', 'No model is loaded.');
    const model = this.#model;
    const isCurrent = (): boolean => model === this.#model && !this.#disposed;
    return new RemoteSession(this, this.link, isCurrent, ({ gpuBytes }) => {
      if (isCurrent()) this.#info = { ...this.#info, gpuBytes };
    });
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Calls the worker; its failures are thrown. */
  async call<T>(run: (api: Remote<WorkerApi>) => Promise<Outcome<T>>): Promise<T> {
    this.#assertUsable();
    return this.link.call(run);
  }

  /** The model that was here is being freed. */
  #gone(): void {
    this.#ready = false;
    this.#info = { ...this.#info, gpuBytes: 0 };
  }

  async #dispose(): Promise<void> {
    this.#gone();
    try {
      await this.link.call((api) => api.dispose());
    } finally {
      this.link.close();
    }
  }

  #assertUsable(): void {
    if (this.#disposed) throw new TernionError('disposed', 'The engine was disposed.');
  }
}

/** A session in a worker. `tokenIds` and `messages` follow the worker's when a stream ends. */
export class RemoteSession implements Session {
  readonly #id: number;
  #state: SessionState = { tokenIds: [], messages: [], gpuBytes: 0 };

  constructor(
    private readonly engine: RemoteEngine,
    private readonly link: WorkerLink,
    /** Whether the model that the session was made for is still the engine's. */
    private readonly isCurrent: () => boolean,
    private readonly onState: (state: SessionState) => void,
  ) {
    this.#id = link.nextNumber();
  }

  get tokenIds(): readonly number[] {
    return this.#state.tokenIds;
  }

  get messages(): readonly ChatMessage[] {
    return this.#state.messages;
  }

  generate(prompt: Prompt, options?: GenerateOptions): ReadableStream<GenerateChunk> {
    return this.#stream({ prompt }, options);
  }

  send(text: string, options?: GenerateOptions): ReadableStream<GenerateChunk> {
    return this.#stream({ send: text }, options);
  }

  async dispose(): Promise<void> {
    // With its model gone, so is the session.
    if (!this.isCurrent()) return;
    await this.engine.call((api) => api.disposeSession(this.#id));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Nothing is asked of the worker before the first read; then one frame for each read. */
  #stream(what: RemotePrompt, { signal, ...options }: GenerateOptions = {}): ReadableStream<GenerateChunk> {
    const request = this.link.nextNumber();
    const onAbort = (): void => this.link.abort(request);
    const end = (): void => signal?.removeEventListener('abort', onAbort);
    let reader: Promise<FrameReader> | undefined;
    const open = async (): Promise<FrameReader> => {
      if (!this.isCurrent()) throw new TernionError('disposed', 'The model of this session was disposed.');
      checkChatOptions(options);
      checkPrompt(what);
      const channel = this.engine.call((api) => api.generate(request, this.#id, what, options));
      // Listening begins once the call is on its way, so that an abort never overtakes it.
      if (signal?.aborted) onAbort();
      signal?.addEventListener('abort', onAbort, { once: true });
      const opened = await channel;
      return 'stream' in opened ? streamReader(opened.stream) : portReader(opened.port);
    };
    return new ReadableStream<GenerateChunk>(
      {
        pull: async (controller) => {
          const frame = await (await (reader ??= open())).read();
          if (!frame) {
            end();
            return controller.close();
          }
          if ('failure' in frame) throw toError(frame.failure);
          if (frame.state) this.#update(frame.state);
          controller.enqueue(frame.chunk);
        },
        cancel: async () => {
          end();
          if (!reader) return;
          this.link.abort(request);
          await (await reader).cancel();
          if (this.isCurrent()) this.#update(await this.engine.call((api) => api.sessionState(this.#id)));
        },
      },
      { highWaterMark: 0 },
    );
  }

  #update(state: SessionState): void {
    this.#state = state;
    this.onState(state);
  }
}
