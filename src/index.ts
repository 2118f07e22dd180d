// Ternion: ternary language models in the browser, on the visitor's own GPU. This is the whole public API of a page.

export { loadModel, type LoadOptions } from './api/load-model';
export { planModel, type PlanOptions } from './api/plan-model';
export { TernionError, type TernionErrorCode } from './errors';
export {
  deleteModel,
  listModels,
  persist,
  storageUsage,
  type CachedModel,
  type StorageUsage,
} from './storage/models';
export type { ModelSource, SourceOptions } from './storage/open-source';
export type { StreamTransport } from './worker/protocol';
export type { GpuBytes } from './gpu/buffers';
export type { LoadProgress, ModelOptions } from './plan/load-options';
export type { ModelPlan, PlannedModel } from './plan/plan-model';
export type {
  ChatMessage,
  DetokenizeOptions,
  Engine,
  FinishReason,
  GenerateChunk,
  GenerateOptions,
  ModelInfo,
  Prompt,
  Session,
  SourceInfo,
  TokenizeOptions,
  Usage,
} from './engine/types';
