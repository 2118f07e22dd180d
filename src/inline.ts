// Ternion without a worker: the same API in the calling thread, for Node, for tests, and for pages with workers of their own.

export { loadHosted as loadModel } from './engine/engine-host';
export type { LocalLoadOptions as LoadOptions } from './engine/load-local';
export {
  planLocal as planModel,
  type LocalPlanOptions as PlanOptions,
  type ModelPlan,
  type PlannedModel,
} from './plan/plan-model';
export type { GpuBytes } from './plan/gpu-parts';
export { TernionError, type TernionErrorCode } from './errors';
export type { ModelSource, SourceOptions } from './storage/open-source';
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
