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
export type { GpuBytes } from './plan/gpu-parts';
export type { ModelPlan, PlannedModel } from './plan/plan-model';
export type {
  ChatMessage,
  ChatOptions,
  DetokenizeOptions,
  Engine,
  FinishReason,
  GenerateChunk,
  GenerateOptions,
  LoadProgress,
  ModelInfo,
  ModelOptions,
  Prompt,
  Session,
  SourceInfo,
  TemplateFunction,
  TemplateMessage,
  TemplateOptions,
  TextPart,
  TokenizeOptions,
  ToolCall,
  Usage,
} from './engine/types';
