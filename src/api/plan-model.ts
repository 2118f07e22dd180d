// Planning from a page: the headers are read and parsed in a worker, which ends with the answer.

import { throwIfAborted } from '../errors';
import { browserGpu } from '../gpu/capabilities';
import type { ModelPlan } from '../plan/plan-model';
import type { ModelSource } from '../storage/sources/model-source';
import type { LoadOptions } from './load-model';
import { sendableSource } from './sendable';
import { WorkerLink } from './worker-link';

/** What to plan for: the options of `loadModel` that decide it. */
export type PlanOptions = Omit<
  LoadOptions,
  'onProgress' | 'onStatus' | 'streamTransport' | 'suspendWhenHidden' | 'shared' | 'createGrammarWorker'
>;

/**
 * Has a worker plan for the model at `source`, which is not used up by reading it. Rejects as a load does if the headers
 * cannot be read or are damaged, and without WebGPU.
 */
export async function planRemote(source: ModelSource, options: PlanOptions = {}): Promise<ModelPlan> {
  const { signal, createWorker } = options;
  throwIfAborted(signal);
  browserGpu();
  const sent = await sendableSource(source, { signal });
  const link = await WorkerLink.start('ternion plan', { createWorker, signal });
  try {
    return await link.plan(sent, options);
  } finally {
    link.close();
  }
}
