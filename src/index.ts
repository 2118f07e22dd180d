// Ternion: ternary language models in the browser, on the visitor's own GPU. This is the whole public API of a page.

export type { LoadOptions } from './api/load-model';
export type { PlanOptions } from './api/plan-model';
export { deleteModel, loadModel, planModel } from './boundary/page';
export { TernionError, type TernionErrorCode } from './errors';
export type { KernelTime } from './gpu/profiler';
export { listModels, type CachedModel } from './storage/cache/models';
export { persist, storageUsage, type StorageUsage } from './storage/cache/usage';
export { models, type KnownModel, type ModelName } from './storage/sources/known-models';
export type { ModelSource, SourceOptions } from './storage/sources/model-source';
export type { StreamTransport } from './worker/protocol';
export type { GpuBytes } from './gpu/buffers';
export type { LoadTimes } from './plan/load-clock';
export type { EngineStatus, LoadProgress, ModelOptions } from './plan/load-options';
export type { ModelPlan, PlannedModel } from './plan/plan-model';
export type {
  Answer,
  AnswerStream,
  ChatMessage,
  ChatOptions,
  CompleteToolCall,
  DetokenizeOptions,
  EmbedOptions,
  Engine,
  FinishReason,
  GenerateChunk,
  GenerateOptions,
  GivesValue,
  JsonSchema,
  LogitsProcessor,
  ModelInfo,
  OutputOf,
  ProfileOptions,
  Prompt,
  ResponseFormat,
  RunnableTool,
  RunOptions,
  RunResult,
  RunStep,
  SampledLogprob,
  Session,
  SessionOptions,
  SharingInfo,
  SourceInfo,
  StandardIssue,
  StandardResult,
  StandardSchema,
  StepProfile,
  TemplateFunction,
  TemplateMessage,
  TemplateOptions,
  TextPart,
  TokenizeOptions,
  TokenLogprob,
  ToolCall,
  ToolCallFormat,
  ToolCallPiece,
  ToolChoice,
  ToolDefinition,
  ToolResult,
  Usage,
} from './engine/types';
