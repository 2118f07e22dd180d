// `ternion/node`: models under Node, and a server of the OpenAI API in front of them.

export { loadModel, planModel } from './load-model';
export { serve, type RunningServer, type ServeOptions } from './serve';
export { models, type KnownModel, type ModelName } from '../../storage/sources/known-models';
export { TernionError, type TernionErrorCode } from '../../errors';
export type { LoadProgress, LocalLoadOptions as LoadOptions } from '../../plan/load-options';
export type { LocalPlanOptions as PlanOptions, ModelPlan } from '../../plan/plan-model';
