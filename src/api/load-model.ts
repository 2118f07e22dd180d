// The page's side of loading: starts the worker and hands back an engine that speaks to it.

import { proxy, releaseProxy, wrap, type Remote } from 'comlink';
import { TernionError, throwIfAborted } from '../errors';
import { browserGpu } from '../gpu/capabilities';
import { defaultMemoryBudget } from '../inference/memory-budget';
import type { LoadProgress } from '../inference/types';
import { urlOf } from '../storage/address';
import type { ModelSource, SourceOptions } from '../storage/open-source';
import { ProgressMeter } from '../storage/progress';
import { isStreaming, spool } from '../storage/spool';
import { valueOf, type StreamTransport, type WorkerApi } from '../worker/protocol';
import TernionWorker from '../worker/main?worker&inline';
import { RemoteEngine } from './remote-engine';

/** How to load a model. */
export interface LoadOptions extends SourceOptions {
  /** Called as the load goes on; see `LoadProgress` for the units. */
  onProgress?: (progress: LoadProgress) => void;
  /** Ends the load; it then rejects with `aborted` and leaves nothing behind. */
  signal?: AbortSignal;
  /**
   * Most tokens that prompt and answer can have together; a session's KV cache has this length. At most what the model
   * was made for. Default: at most 4096, and what fits this device (`engine.info.contextLength`). A length that was asked
   * for and does not fit is refused with `out-of-memory`.
   */
  contextLength?: number;
  /**
   * Most bytes that model, work buffers and the KV cache of one session may take on the GPU together; what takes more is
   * refused with `out-of-memory` before any tensor is read. WebGPU does not say how much memory there is. Default: 1.1 GB
   * on phones and tablets, except Android ones that say they have 8 GiB; else unknown, and only single buffers are
   * checked against the device's limits. `Infinity` switches the default off.
   */
  memoryBudget?: number;
  /**
   * How models of which only the weights are ternary round activations: `fast` (default) to int8 in groups of 64, `exact`
   * not at all. Models that were trained with int8 activations (BitNet) get these either way.
   */
  precision?: 'fast' | 'exact';
  /**
   * How generations compute logits: with the LM head in `int8` (default, unless `precision` is `exact`; half the memory
   * traffic), or as the file has it, in `f16`. `nextLogits` is exact either way.
   */
  headPrecision?: 'int8' | 'f16';
  /**
   * Makes the worker. Default: one whose code is part of this module, started from a blob URL. A page whose
   * Content-Security-Policy forbids that can serve `ternion/worker` itself and start it here as a module worker.
   */
  createWorker?: () => Worker;
  /** How chunks come from the worker. Default `auto`; `message-port` forces what browsers without transferable streams use. */
  streamTransport?: StreamTransport;
}

/**
 * Loads a ternary model, wherever it lies (see `ModelSource`), in a Web Worker and resolves to an
 * engine that is ready to generate. Rejects with a `TernionError`; see its codes.
 */
export async function loadModel(source: ModelSource, options: LoadOptions = {}): Promise<RemoteEngine> {
  const { signal, contextLength, precision, headPrecision, streamTransport } = options;
  const { headers, credentials, sha256, cache } = options;
  throwIfAborted(signal);
  // Where the page has no WebGPU, neither has its worker: say so without starting one.
  browserGpu();
  const sent = await sendable(source, options);
  throwIfAborted(signal);
  const worker = options.createWorker?.() ?? new TernionWorker({ name: 'ternion' });
  const api = wrap<WorkerApi>(worker);
  const request = 0;
  const onAbort = (): void => void api.abort(request);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const onProgress = proxy((progress: LoadProgress) => options.onProgress?.(progress));
    const loading = api.load(
      request,
      sent,
      {
        contextLength,
        precision,
        headPrecision,
        memoryBudget: options.memoryBudget ?? defaultMemoryBudget(),
        streamTransport,
        headers,
        credentials,
        sha256,
        cache,
      },
      onProgress,
    );
    const info = valueOf(await Promise.race([loading, failureOf(worker)]));
    return new RemoteEngine(worker, api, info);
  } catch (error) {
    stop(worker, api);
    throw error instanceof TernionError ? error : unusable(error);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/**
 * The source in a form that can be sent to the worker. A relative URL means relative to the page: the worker's own base
 * is its blob. What delivers its bytes only once is read here, as not every browser can send it.
 */
async function sendable(source: ModelSource, { signal, onProgress }: LoadOptions): Promise<ModelSource> {
  if (isStreaming(source)) {
    const progress = new ProgressMeter((state) => onProgress?.({ phase: 'download', ...state }));
    return spool(source, progress, signal);
  }
  return typeof source === 'string' || source instanceof URL ? urlOf(source, document.baseURI) : source;
}

/** Rejects if the worker's script cannot be run at all. */
export function failureOf(worker: Worker): Promise<never> {
  return new Promise((_, reject) => {
    worker.addEventListener('error', (event) => reject(unusable(event.message)), { once: true });
  });
}

/** The error of a worker that does not work, whatever the reason. */
export function unusable(cause: unknown): TernionError {
  return new TernionError('internal', 'The worker could not be started, or did not understand the call.', {
    cause,
  });
}

function stop(worker: Worker, api: Remote<WorkerApi>): void {
  api[releaseProxy]();
  worker.terminate();
}
