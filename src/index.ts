// Ternion: ternary language models in the browser, on the visitor's own GPU. This is the whole public API of a page.

export type { LoadOptions } from './api/load-model';
export type { PlanOptions } from './api/plan-model';
export { deleteModel, loadModel, planModel } from './boundary/page';
export { TernionError, type TernionErrorCode } from './errors';
export type { KernelTime } from './gpu/profiler';
export { listModels, type CachedModel } from './storage/cache/models';
export { persist, storageUsage, type StorageUsage } from './storage/cache/usage';
export type { ModelSource, SourceOptions } from './storage/sources/model-source';
export type { StreamTransport } from './worker/protocol';
export type { GpuBytes } from './gpu/buffers';
export type { EngineStatus, LoadProgress, ModelOptions } from './plan/load-options';
export type { ModelPlan, PlannedModel } from './plan/plan-model';
export type {
  Answer,
  ChatMessage,
  ChatOptions,
  DetokenizeOptions,
  EmbedOptions,
  Engine,
  FinishReason,
  GenerateChunk,
  GenerateOptions,
  ModelInfo,
  ProfileOptions,
  Prompt,
  SampledLogprob,
  Session,
  SharingInfo,
  SourceInfo,
  StepProfile,
  TemplateFunction,
  TemplateMessage,
  TemplateOptions,
  TextPart,
  TokenLogprob,
  TokenizeOptions,
  ToolCall,
  ToolCallFormat,
  Usage,
} from './engine/types';
