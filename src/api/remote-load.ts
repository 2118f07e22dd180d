// Sends a model to the worker to be loaded: the source, the options, and a way to stop it.

import { proxy, type Remote } from 'comlink';
import { throwIfAborted } from '../errors';
import { defaultMemoryBudget } from '../plan/memory-budget';
import type { LoadProgress, ModelInfo, ModelOptions } from '../engine/types';
import { urlOf } from '../storage/http/address';
import type { ModelSource } from '../storage/sources/model-source';
import { ProgressMeter } from '../storage/sources/progress';
import { isStreaming, spool } from '../storage/sources/spool';
import { valueOf, type StreamTransport, type WorkerApi } from '../worker/protocol';

/** Options of one load that a page can give; `streamTransport` is said once, for all models of an engine. */
export interface RemoteModelOptions extends ModelOptions {
  streamTransport?: StreamTransport | undefined;
}

/** Has the worker load the model. `request` is a number that no other call has. */
export async function remoteLoad(
  api: Remote<WorkerApi>,
  request: number,
  source: ModelSource,
  options: RemoteModelOptions,
): Promise<ModelInfo> {
  const { signal, onProgress, ...others } = options;
  const { contextLength, precision, headPrecision, streamTransport } = others;
  const { headers, credentials, sha256, cache, memoryBudget = defaultMemoryBudget() } = others;
  const onAbort = (): void => void api.abort(request);
  throwIfAborted(signal);
  const loading = api.load(
    request,
    source,
    // One by one: what else a caller has put there may not be cloneable.
    {
      contextLength,
      precision,
      headPrecision,
      memoryBudget,
      streamTransport,
      headers,
      credentials,
      sha256,
      cache,
    },
    proxy((progress: LoadProgress) => onProgress?.(progress)),
  );
  // Listening begins once the call is on its way, so that an abort never overtakes it.
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return valueOf(await loading);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/**
 * The source in a form that can be sent to the worker. A relative URL means relative to the page: the worker's own base
 * is its blob. What delivers its bytes only once is read here, as not every browser can send it.
 */
export async function sendable(
  source: ModelSource,
  { signal, onProgress }: ModelOptions,
): Promise<ModelSource> {
  throwIfAborted(signal);
  if (isStreaming(source)) {
    const progress = new ProgressMeter((state) => onProgress?.({ phase: 'download', ...state }));
    return spool(source, progress, signal);
  }
  return typeof source === 'string' || source instanceof URL ? urlOf(source, document.baseURI) : source;
}
