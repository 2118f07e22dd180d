// The page's way to a worker: starts it, calls it, and ends it.

import { proxy, releaseProxy, wrap, type Remote } from 'comlink';
import { TernionError, throwIfAborted } from '../errors';
import type { EmbedOptions, ModelInfo } from '../engine/types';
import type { CloneableOptions, LoadProgress, ModelOptions } from '../plan/load-options';
import type { ModelPlan } from '../plan/plan-model';
import type { ModelSource } from '../storage/sources/model-source';
import TernionWorker from '../worker/main?worker&inline';
import { valueOf, type Outcome, type StreamTransport, type WorkerApi } from '../worker/protocol';
import { checkChatOptions } from './chat-options';
import { sendableOptions } from './sendable';

/** A worker and the calls to it. Owns the worker: `close` ends it. */
export class WorkerLink {
  readonly #api: Remote<WorkerApi>;
  /** Rejects if the worker's script cannot be run at all. */
  readonly #broken: Promise<never>;
  #counter = 0;
  #closed = false;

  private constructor(private readonly worker: Worker) {
    this.#api = wrap<WorkerApi>(worker);
    this.#broken = new Promise((_, reject) => {
      worker.addEventListener('error', (event) => reject(unusable(event.message)), { once: true });
    });
    // Who makes the first call hears of it; after that it is nobody's.
    this.#broken.catch(() => {});
  }

  /** Starts a worker. `createWorker` makes it where a page has its own way to. */
  static start(name: string, createWorker?: () => Worker): WorkerLink {
    return new WorkerLink(createWorker?.() ?? new TernionWorker({ name }));
  }

  /** Calls the worker; its failures are thrown. All that the page asks of the worker, but for `abort`, is asked here. */
  async call<T>(run: (api: Remote<WorkerApi>) => Promise<Outcome<T>>): Promise<T> {
    return valueOf(await run(this.#api));
  }

  /** What `first`, the first call of this link, resolves to. Rejects with `internal` if there is no worker to hear it. */
  async opened<T>(first: Promise<T>): Promise<T> {
    try {
      return await Promise.race([first, this.#broken]);
    } catch (error) {
      throw error instanceof TernionError ? error : unusable(error);
    }
  }

  /** A number that no other request or session of this worker has. */
  nextNumber(): number {
    return this.#counter++;
  }

  /** Ends the request of that number. Nothing happens if it has ended, or the worker has. */
  abort(request: number): void {
    if (!this.#closed) void this.#api.abort(request);
  }

  /** Has the worker load the model at `source`, which can be sent. */
  load(
    source: ModelSource,
    { signal, onProgress, ...options }: ModelOptions,
    streamTransport: StreamTransport | undefined,
  ): Promise<ModelInfo> {
    checkChatOptions(options);
    const sent = { ...sendableOptions(options), streamTransport };
    const onRemoteProgress = proxy((progress: LoadProgress) => onProgress?.(progress));
    return this.#abortable(signal, (api, request) => api.load(request, source, sent, onRemoteProgress));
  }

  /** Has the worker plan for the model at `source`, which can be sent. */
  plan(
    source: ModelSource,
    { signal, ...options }: CloneableOptions & Pick<ModelOptions, 'signal'>,
  ): Promise<ModelPlan> {
    const sent = sendableOptions(options);
    return this.#abortable(signal, (api, request) => api.plan(request, source, sent));
  }

  /** Has the worker embed `texts`. */
  embed(
    texts: string | readonly string[],
    { signal, ...options }: EmbedOptions = {},
  ): Promise<Float32Array[]> {
    return this.#abortable(signal, (api, request) => api.embed(request, texts, options));
  }

  /** Ends the worker, whatever it does. */
  close(): void {
    this.#closed = true;
    this.#api[releaseProxy]();
    this.worker.terminate();
  }

  /** A call that `signal` ends. */
  async #abortable<T>(
    signal: AbortSignal | undefined,
    run: (api: Remote<WorkerApi>, request: number) => Promise<Outcome<T>>,
  ): Promise<T> {
    throwIfAborted(signal);
    const request = this.nextNumber();
    const onAbort = (): void => this.abort(request);
    const answer = this.call((api) => run(api, request));
    // Listening begins once the call is on its way, so that an abort never overtakes it.
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await answer;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

/** The error of a worker that does not work, whatever the reason. */
function unusable(cause: unknown): TernionError {
  return new TernionError('internal', 'The worker could not be started, or did not understand the call.', {
    cause,
  });
}
