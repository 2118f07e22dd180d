// Planning from a page: the headers are read and parsed in a worker, which ends with the answer.

import { releaseProxy, wrap } from 'comlink';
import { TernionError, throwIfAborted } from '../errors';
import { browserGpu } from '../gpu/capabilities';
import { defaultMemoryBudget } from '../plan/memory-budget';
import type { ModelPlan } from '../plan/plan-model';
import { urlOf } from '../storage/http/address';
import type { ModelSource } from '../storage/sources/model-source';
import { refuseStreaming } from '../storage/sources/spool';
import { valueOf, type WorkerApi } from '../worker/protocol';
import TernionWorker from '../worker/main?worker&inline';
import { failureOf, unusable, type LoadOptions } from './load-model';

/** What to plan for: the options of `loadModel` that decide it. */
export type PlanOptions = Omit<LoadOptions, 'onProgress' | 'streamTransport'>;

/**
 * Says whether the model at `source` can be loaded here, what it takes of download, storage and GPU memory, and with which
 * context. Reads the headers of its files, and nothing of its tensors. What it reads is kept in the cache, so that a load
 * need not read it again (`cache: false` prevents that).
 *
 * Rejects as `loadModel` does if the headers cannot be read or are damaged, and without WebGPU. What is not supported, or
 * does not fit, is a verdict and no error.
 */
export async function planModel(source: ModelSource, options: PlanOptions = {}): Promise<ModelPlan> {
  const { signal, contextLength, precision, headPrecision } = options;
  const { headers, credentials, sha256, cache } = options;
  throwIfAborted(signal);
  browserGpu();
  refuseStreaming(source);
  // A relative URL means relative to the page: the worker's own base is its blob.
  const sent = typeof source === 'string' || source instanceof URL ? urlOf(source, document.baseURI) : source;
  const memoryBudget = options.memoryBudget ?? defaultMemoryBudget();
  const worker = options.createWorker?.() ?? new TernionWorker({ name: 'ternion plan' });
  const api = wrap<WorkerApi>(worker);
  const request = 0;
  const onAbort = (): void => void api.abort(request);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const planning = api.plan(request, sent, {
      contextLength,
      precision,
      headPrecision,
      memoryBudget,
      headers,
      credentials,
      sha256,
      cache,
    });
    return valueOf(await Promise.race([planning, failureOf(worker)]));
  } catch (error) {
    throw error instanceof TernionError ? error : unusable(error);
  } finally {
    signal?.removeEventListener('abort', onAbort);
    api[releaseProxy]();
    worker.terminate();
  }
}
