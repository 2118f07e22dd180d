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
  Prompt,
  Session,
  TokenizeOptions,
} from '../inference/types';
import { portReader, streamReader, type FrameReader } from '../worker/frames';
import {
  toError,
  valueOf,
  type Outcome,
  type RemotePrompt,
  type SessionState,
  type WorkerApi,
} from '../worker/protocol';

/** An engine in a worker. */
export class RemoteEngine implements Engine {
  #info: ModelInfo;
  #counter = 0;
  #disposed: Promise<void> | undefined;

  constructor(
    private readonly worker: Worker,
    private readonly api: Remote<WorkerApi>,
    info: ModelInfo,
  ) {
    this.#info = info;
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
    return new RemoteSession(this, this.api, this.nextNumber(), (state) => {
      this.#info = { ...this.#info, gpuBytes: state.gpuBytes };
    });
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  get disposed(): boolean {
    return this.#disposed !== undefined;
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

  async #dispose(): Promise<void> {
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
    // With the engine gone, so is the session.
    if (this.engine.disposed) return;
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
          this.#update(await this.engine.call(() => this.api.sessionState(this.id)));
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
