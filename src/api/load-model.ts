// The page's side of loading: starts the worker and hands back an engine that speaks to it.

import { releaseProxy, wrap, type Remote } from 'comlink';
import { TernionError, throwIfAborted } from '../errors';
import { browserGpu } from '../gpu/capabilities';
import type { ModelOptions } from '../engine/types';
import type { ModelSource } from '../storage/sources/model-source';
import type { StreamTransport, WorkerApi } from '../worker/protocol';
import TernionWorker from '../worker/main?worker&inline';
import { RemoteEngine } from './remote-engine';
import { remoteLoad, sendable } from './remote-load';

/** How to load a model, and in which worker. */
export interface LoadOptions extends ModelOptions {
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
  throwIfAborted(options.signal);
  // Where the page has no WebGPU, neither has its worker: say so without starting one.
  browserGpu();
  const sent = await sendable(source, options);
  const worker = options.createWorker?.() ?? new TernionWorker({ name: 'ternion' });
  const api = wrap<WorkerApi>(worker);
  try {
    const info = await Promise.race([remoteLoad(api, 0, sent, options), failureOf(worker)]);
    return new RemoteEngine(worker, api, info, options.streamTransport);
  } catch (error) {
    stop(worker, api);
    throw error instanceof TernionError ? error : unusable(error);
  }
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
