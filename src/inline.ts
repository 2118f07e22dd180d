// Ternion without a worker: the same API in the calling thread, for Node, for tests, and for pages with workers of their own.

export { loadModel, planModel } from './boundary/in-thread';
export type { LocalPlanOptions as PlanOptions, ModelPlan, PlannedModel } from './plan/plan-model';
export type { GpuBytes } from './gpu/buffers';
export type { LoadTimes } from './plan/load-clock';
export type { DeviceOption, WebGpu, WebGpuDevice } from './gpu/given-device';
export type { TuningStore } from './gpu/tuning-memory';
export type {
  EngineStatus,
  LoadProgress,
  LocalLoadOptions as LoadOptions,
  ModelOptions,
} from './plan/load-options';
export { TernionError, type TernionErrorCode } from './errors';
export type { KernelTime } from './gpu/profiler';
export { models, type KnownModel, type ModelName } from './storage/sources/known-models';
export type { ModelSource, SourceOptions } from './storage/sources/model-source';
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
