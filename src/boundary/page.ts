// What `ternion` exports that takes arguments: a page's way in.

import { loadRemote, type LoadOptions } from '../api/load-model';
import { planRemote, type PlanOptions } from '../api/plan-model';
import type { Engine } from '../engine/types';
import type { ModelOptions } from '../plan/load-options';
import { heard } from '../plan/load-progress';
import type { ModelPlan } from '../plan/plan-model';
import { deleteCached } from '../storage/cache/models';
import type { ModelSource } from '../storage/sources/model-source';
import { CheckedEngine } from './checked-engine';
import { loadable, plannable, type TemplateReader } from './options';
import {
  argument,
  callable,
  fields,
  flag,
  number,
  oneOf,
  optional,
  options,
  refusal,
  text,
  type Read,
} from './read';
import { abortSignal } from './signals';
import { modelName, modelSource, planSource } from './sources';

/** Templates in Jinja only: a function cannot be sent to a worker. */
const chatTemplate: TemplateReader = (value, at) => {
  if (typeof value !== 'function') return optional(text())(value, at);
  const advice = 'give a template in Jinja, or use ternion/inline';
  throw refusal(at, `is a function, which cannot be sent to the worker: ${advice}`);
};

const createWorker = optional(callable<() => Worker>());

const modelOptions: Read<ModelOptions> = fields(loadable(chatTemplate));

const loadOptions: Read<LoadOptions> = fields({
  ...loadable(chatTemplate),
  createWorker,
  createGrammarWorker: createWorker,
  streamTransport: optional(oneOf('auto', 'message-port')),
  shared: optional(flag),
  suspendWhenHidden: optional((value, at) =>
    typeof value === 'boolean' ? value : number({ min: 0, max: Number.MAX_SAFE_INTEGER })(value, at),
  ),
});

const planOptions: Read<PlanOptions> = fields({ ...plannable(chatTemplate), createWorker });

/**
 * Loads a ternary model, wherever it lies (see `ModelSource`), in a Web Worker and resolves to an
 * engine that is ready to generate. Rejects with a `TernionError`; see its codes.
 */
export async function loadModel(source: ModelSource, given?: LoadOptions): Promise<Engine> {
  const read = argument(modelSource, source, 'source');
  const { onProgress, ...how } = options(loadOptions, given);
  const engine = await heard(onProgress, (hear) => loadRemote(read, { ...how, onProgress: hear }));
  return new CheckedEngine(engine, { loadOptions: modelOptions, chatTemplate });
}

/**
 * Says whether the model at `source` can be loaded here, what it takes of download, storage and GPU memory, and with which
 * context. Reads the headers of its files, and nothing of its tensors. What it reads is kept in the cache, so that a load
 * need not read it again (`cache: false` prevents that).
 *
 * Rejects as `loadModel` does if the headers cannot be read or are damaged, and without WebGPU. What is not supported, or
 * does not fit, is a verdict and no error.
 */
export async function planModel(source: ModelSource, given?: PlanOptions): Promise<ModelPlan> {
  return planRemote(argument(planSource, source, 'source'), options(planOptions, given));
}

/**
 * Deletes a model from the cache, with all its files: by its id, or by the name or address that it was loaded from. Waits until
 * no tab is loading it. Resolves to whether there was one.
 */
export async function deleteModel(model: string | URL, signal?: AbortSignal): Promise<boolean> {
  return deleteCached(argument(modelName, model, 'model'), argument(optional(abortSignal), signal, 'signal'));
}
