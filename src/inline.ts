// Ternion without a worker: the same API in the calling thread, for Node, for tests, and for pages with workers of their own.

export { loadModel, planModel } from './boundary/in-thread';
export type { LocalPlanOptions as PlanOptions, ModelPlan, PlannedModel } from './plan/plan-model';
export type { GpuBytes } from './gpu/buffers';
export type { DeviceOption } from './gpu/device-supply';
export type {
  EngineStatus,
  LoadProgress,
  LocalLoadOptions as LoadOptions,
  ModelOptions,
} from './plan/load-options';
export { TernionError, type TernionErrorCode } from './errors';
export type { KernelTime } from './gpu/profiler';
export type { ModelSource, SourceOptions } from './storage/sources/model-source';
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
