// `ternion/prompt-api`: a model in the shape of the browser's own `LanguageModel`.

export { createLanguageModel, installLanguageModel } from './language-model';
export type { TernionLanguageModelOptions } from './language-model';
export type { LanguageModelEngine, LanguageModelSource } from './engine-loader';
export type {
  Availability,
  CreateMonitor,
  LanguageModel,
  LanguageModelClass,
  LanguageModelCreateCoreOptions,
  LanguageModelCreateOptions,
  LanguageModelExpected,
  LanguageModelMessage,
  LanguageModelMessageContent,
  LanguageModelParams,
  LanguageModelPrompt,
  LanguageModelPromptOptions,
  LanguageModelSamplingMode,
  LanguageModelSignalOptions,
  LanguageModelTool,
} from './types';
