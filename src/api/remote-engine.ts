// The engine and the sessions that a page holds: the same interface as in the worker, call by call.

import { releaseProxy, type Remote } from 'comlink';
import { TernionError } from '../errors';
import type {
  ChatMessage,
  DetokenizeOptions,
  Engine,
  GenerateChunk,
  GenerateOptions,
  ModelInfo,
  ModelOptions,
  Prompt,
  Session,
  TokenizeOptions,
} from '../engine/types';
import type { ModelSource } from '../storage/sources/model-source';
import { portReader, streamReader, type FrameReader } from '../worker/frames';
import {
  toError,
  valueOf,
  type Outcome,
  type RemotePrompt,
  type SessionState,
  type StreamTransport,
  type WorkerApi,
} from '../worker/protocol';
import { remoteLoad, sendable } from './remote-load';

/** An engine in a worker. */
export class RemoteEngine implements Engine {
  #info: ModelInfo;
  #counter = 0;
  /** Counts the models. A session belongs to one of them. */
  #model = 0;
  /** Whether the model of that number is there. */
  #ready = true;
  #disposed: Promise<void> | undefined;

  constructor(
    private readonly worker: Worker,
    private readonly api: Remote<WorkerApi>,
    info: ModelInfo,
    private readonly streamTransport?: StreamTransport,
  ) {
    this.#info = info;
  }

  async load(source: ModelSource, options: ModelOptions = {}): Promise<void> {
    this.#assertUsable();
    const sent = await sendable(source, options);
    this.#assertUsable();
    const model = ++this.#model;
    this.#gone();
    const { streamTransport } = this;
    const info = await remoteLoad(this.api, this.nextNumber(), sent, { ...options, streamTransport });
    // If yet another one was asked for meanwhile, this one goes at once.
    if (model !== this.#model || this.#disposed) return;
    this.#info = info;
    this.#ready = true;
  }

  get info(): ModelInfo {
    return this.#info;
  }

  async tokenize(text: string, options?: TokenizeOptions): Promise<number[]> {
    return this.call(() => this.api.tokenize(text, options));
  }

  async detokenize(tokenIds: ArrayLike<number>, options?: DetokenizeOptions): Promise<string> {
    return this.call(() => this.api.detokenize(tokenIds, options));
  }

  async nextLogits(tokenIds: ArrayLike<number>): Promise<Float32Array> {
    return this.call(() => this.api.nextLogits(tokenIds));
  }

  createSession(): RemoteSession {
    this.#assertUsable();
    if (!this.#ready) throw new TernionError('disposed', 'No model is loaded.');
    const model = this.#model;
    const isCurrent = (): boolean => model === this.#model && !this.#disposed;
    return new RemoteSession(this, this.api, this.nextNumber(), isCurrent, ({ gpuBytes }) => {
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

  /** A number for a session or a request. */
  nextNumber(): number {
    return ++this.#counter;
  }

  /** Calls the worker; its failures are thrown. */
  async call<T>(run: () => Promise<Outcome<T>>): Promise<T> {
    this.#assertUsable();
    return valueOf(await run());
  }

  /** The model that was here is being freed. */
  #gone(): void {
    this.#ready = false;
    this.#info = { ...this.#info, gpuBytes: 0 };
  }

  async #dispose(): Promise<void> {
    this.#gone();
    try {
      valueOf(await this.api.dispose());
    } finally {
      this.api[releaseProxy]();
      this.worker.terminate();
    }
  }

  #assertUsable(): void {
    if (this.#disposed) throw new TernionError('disposed', 'The engine was disposed.');
  }
}

/** A session in a worker. `tokenIds` and `messages` follow the worker's when a stream ends. */
export class RemoteSession implements Session {
  #state: SessionState = { tokenIds: [], messages: [], gpuBytes: 0 };

  constructor(
    private readonly engine: RemoteEngine,
    private readonly api: Remote<WorkerApi>,
    private readonly id: number,
    /** Whether the model that the session was made for is still the engine's. */
    private readonly isCurrent: () => boolean,
    private readonly onState: (state: SessionState) => void,
  ) {}

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
    await this.engine.call(() => this.api.disposeSession(this.id));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Nothing is asked of the worker before the first read; then one frame for each read. */
  #stream(what: RemotePrompt, { signal, ...options }: GenerateOptions = {}): ReadableStream<GenerateChunk> {
    const request = this.engine.nextNumber();
    const onAbort = (): void => void this.api.abort(request);
    const end = (): void => signal?.removeEventListener('abort', onAbort);
    let reader: Promise<FrameReader> | undefined;
    const open = async (): Promise<FrameReader> => {
      if (!this.isCurrent()) throw new TernionError('disposed', 'The model of this session was disposed.');
      const channel = this.engine.call(() => this.api.generate(request, this.id, what, options));
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
          void this.api.abort(request);
          await (await reader).cancel();
          if (this.isCurrent()) this.#update(await this.engine.call(() => this.api.sessionState(this.id)));
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
