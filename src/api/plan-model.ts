// Planning from a page: the headers are read and parsed in a worker, which ends with the answer.

import { throwIfAborted } from '../errors';
import { browserGpu } from '../gpu/capabilities';
import type { ModelPlan } from '../plan/plan-model';
import type { ModelSource } from '../storage/sources/model-source';
import { refuseStreaming } from '../storage/sources/spool';
import type { LoadOptions } from './load-model';
import { sendableSource } from './sendable';
import { WorkerLink } from './worker-link';

/** What to plan for: the options of `loadModel` that decide it. */
export type PlanOptions = Omit<
  LoadOptions,
  'onProgress' | 'onStatus' | 'streamTransport' | 'suspendWhenHidden'
>;

/**
 * Says whether the model at `source` can be loaded here, what it takes of download, storage and GPU memory, and with which
 * context. Reads the headers of its files, and nothing of its tensors. What it reads is kept in the cache, so that a load
 * need not read it again (`cache: false` prevents that).
 *
 * Rejects as `loadModel` does if the headers cannot be read or are damaged, and without WebGPU. What is not supported, or
 * does not fit, is a verdict and no error.
 */
export async function planModel(source: ModelSource, options: PlanOptions = {}): Promise<ModelPlan> {
  const { signal, createWorker } = options;
  throwIfAborted(signal);
  browserGpu();
  refuseStreaming(source);
  const sent = await sendableSource(source, { signal });
  const link = await WorkerLink.start('ternion plan', { createWorker, signal });
  try {
    return await link.plan(sent, options);
  } finally {
    link.close();
  }
}
