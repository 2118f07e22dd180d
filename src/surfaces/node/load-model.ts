// Loading and planning under Node: the device is found here, all else is as it is in any thread.

import * as inThread from '../../boundary/in-thread';
import type { Engine } from '../../engine/types';
import type { LocalLoadOptions } from '../../plan/load-options';
import type { LocalPlanOptions, ModelPlan } from '../../plan/plan-model';
import type { ModelSource } from '../../storage/sources/model-source';
import { findGpu } from './gpu';
import { openPath } from './model-path';

/**
 * Loads the model at `source`: a path, a URL (`file:` too), `hf:owner/repo/file.gguf`, or any other `ModelSource`. Unless
 * `device` or `gpu` say otherwise, it runs on a device of the best adapter, with the adapter's own limits. Rejects with a
 * `TernionError`: `webgpu-unavailable` without the optional package `webgpu`.
 */
export async function loadModel(source: ModelSource, options: LocalLoadOptions = {}): Promise<Engine> {
  return inThread.loadModel(await openPath(source), await onThisGpu(options));
}

/** Says whether the model at `source`, which is what `loadModel` takes, can be loaded here. Rejects as `loadModel` does. */
export async function planModel(source: ModelSource, options: LocalPlanOptions = {}): Promise<ModelPlan> {
  return inThread.planModel(await openPath(source), await onThisGpu(options));
}

async function onThisGpu<Options extends LocalPlanOptions>(options: Options): Promise<Options> {
  if (options.device !== undefined || options.gpu !== undefined) return options;
  return { ...options, gpu: await findGpu() };
}
