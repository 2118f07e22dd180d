// `ternion/ai-sdk`: an engine as a language model of the AI SDK.

export { createTernion, type TernionEngine, type TernionModelOptions } from './language-model';
export type { TernionProviderOptions } from './call-options';
