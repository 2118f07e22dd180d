// What a page is given to load, in a form that can be sent to a worker.

import { throwIfAborted } from '../errors';
import type { CloneableOptions, ModelOptions, PhaseProgress } from '../plan/load-options';
import { LoadMeter } from '../plan/load-progress';
import { defaultMemoryBudget } from '../plan/memory-budget';
import { urlOf } from '../storage/http/address';
import type { ModelSource } from '../storage/sources/model-source';
import { keepStreaming } from '../storage/sources/spool';

/**
 * The source in a form that can be sent to the worker. A relative URL means relative to the page: the worker's own base
 * is its blob. What delivers its bytes only once is read here, as not every browser can send it.
 */
export async function sendableSource(
  source: ModelSource,
  { signal, onProgress }: Pick<ModelOptions, 'signal' | 'onProgress'>,
): Promise<ModelSource> {
  throwIfAborted(signal);
  const meter = new LoadMeter();
  const onDownload = (state: Omit<PhaseProgress, 'phase'>): void =>
    onProgress?.(meter.next({ phase: 'download', ...state }));
  const kept = await keepStreaming(source, onDownload, signal);
  if (typeof kept !== 'string' && !(kept instanceof URL)) return kept;
  // A worker of the page's may load, too: it has an address, and no document.
  return urlOf(kept, typeof document === 'undefined' ? undefined : document.baseURI);
}

/**
 * The options that are sent, each named (the type sees to it), as what else a caller has put there may not be cloneable.
 * The memory budget is the page's: a worker cannot see all that tells a phone.
 */
export function sendableOptions({
  contextLength,
  memoryBudget = defaultMemoryBudget(),
  precision,
  headPrecision,
  kvCache,
  headers,
  credentials,
  sha256,
  cache,
  debug,
  chatTemplate,
  templateOptions,
}: CloneableOptions): Record<keyof CloneableOptions, unknown> & CloneableOptions {
  return {
    contextLength,
    memoryBudget,
    precision,
    headPrecision,
    kvCache,
    headers,
    credentials,
    sha256,
    cache,
    debug,
    chatTemplate,
    templateOptions,
  };
}
