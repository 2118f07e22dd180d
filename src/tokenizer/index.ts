// The tokenizer room: what the rest of the engine may use of it.
export { ChatTemplate, chatTemplateOf, type ChatMessage } from './chat-template';
export { tokenizerSpecFromGguf } from './gguf-spec';
export { tokenizerSpecFromJson, type JsonSpecExtras } from './json-spec';
export { encodeRaw, encodeSegments, renderConversation, type PromptSegment } from './prompt';
export { StopMatcher } from './stop-matcher';
export { StreamingDetokenizer } from './streaming-detokenizer';
export { Tokenizer, type DecodeOptions, type EncodeOptions } from './tokenizer';
export type { TokenizerSpec } from './spec';
