// What `ternion/inline` exports that takes arguments: the way in without a worker.

import { grammarThreadsHere } from '../api/grammar-thread';
import type { WebGpu, WebGpuDevice } from '../gpu/given-device';
import type { TuningStore } from '../gpu/tuning-memory';
import { loadHosted } from '../engine/engine-host';
import type { Engine } from '../engine/types';
import type { LocalLoadOptions } from '../plan/load-options';
import { heard } from '../plan/load-progress';
import { planLocal, type LocalPlanOptions, type ModelPlan } from '../plan/plan-model';
import type { TemplateFunction } from '../tokenizer';
import type { ModelSource } from '../storage/sources/model-source';
import { anyProcessor } from './answer-shapes';
import { CheckedEngine } from './checked-engine';
import { JsonBudget } from './json';
import { loadable, plannable, type TemplateReader } from './options';
import {
  argument,
  callable,
  fields,
  flag,
  having,
  invalid,
  optional,
  options,
  text,
  type Fields,
  type Read,
} from './read';
import { modelSource, planSource } from './sources';

/** Templates in Jinja, and functions. */
export const chatTemplate: TemplateReader = (value, at) => {
  if (value === undefined || typeof value === 'string') return optional(text())(value, at);
  if (typeof value === 'function') return callable<TemplateFunction>()(value, at);
  throw invalid(at, value, 'a template in Jinja, or a function');
};

const device = having<WebGpuDevice>(
  'a GPUDevice, or a function that gives one',
  'createBuffer',
  'createComputePipelineAsync',
);
const deviceMaker = callable<() => Promise<WebGpuDevice>>();

const placed: Fields<Pick<LocalLoadOptions, 'device' | 'gpu' | 'variants'>> = {
  device: optional((value, at) => (typeof value === 'function' ? deviceMaker : device)(value, at)),
  gpu: optional(having<WebGpu>('a GPU, as navigator.gpu is one', 'requestAdapter')),
  // For those who look for the fault in a kernel: the variants that are named are taken as they are.
  variants: optional((value, at) => new JsonBudget().object(value, at)),
};

const loadOptions: Read<LocalLoadOptions> = fields({
  ...loadable(chatTemplate),
  ...placed,
  tuning: optional(flag),
  createGrammarWorker: optional(callable<() => Worker>()),
  tuningStore: optional(having<TuningStore>('an object with load and save', 'load', 'save')),
});

const planOptions: Read<LocalPlanOptions> = fields({ ...plannable(chatTemplate), ...placed });

/** Loads the model at `source` into this thread. Rejects with a `TernionError`; nothing is left on the GPU then. */
export async function loadModel(source: ModelSource, given?: LocalLoadOptions): Promise<Engine> {
  const read = argument(modelSource, source, 'source');
  const { createGrammarWorker, onProgress, ...how } = options(loadOptions, given);
  const threads = grammarThreadsHere(createGrammarWorker);
  const engine = await heard(onProgress, (hear) => loadHosted(read, { ...how, onProgress: hear }, threads));
  return new CheckedEngine(engine, { loadOptions, chatTemplate, logitsProcessor: anyProcessor });
}

/**
 * Reads the headers of the model at `source` and says whether it can be loaded here. Rejects as `loadModel` does if they
 * cannot be read or are damaged, and without WebGPU.
 */
export async function planModel(source: ModelSource, given?: LocalPlanOptions): Promise<ModelPlan> {
  return planLocal(argument(planSource, source, 'source'), options(planOptions, given));
}
