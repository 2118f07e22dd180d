// The tokenizer room: what the rest of the engine may use of it.
export {
  ChatTemplate,
  chatTemplateOf,
  FunctionTemplate,
  type ChatMessage,
  type ConversationTemplate,
  type RenderOptions,
  type TemplateFunction,
  type TemplateMessage,
  type TemplateOptions,
  type TemplateOrigin,
  type TextPart,
  type ToolCall,
} from './chat-template';
export { tokenizerSpecFromGguf } from './gguf-spec';
export { tokenizerSpecFromJson, type JsonSpecExtras } from './json-spec';
export {
  ChatFormat,
  encodeForEmbedding,
  encodeRaw,
  encodeSegments,
  renderConversation,
  type ChatOptions,
  type PromptSegment,
} from './prompt';
export { ReasoningSplitter, type ReasoningFormat } from './reasoning';
export { StopMatcher } from './stop-matcher';
export { StreamingDetokenizer } from './streaming-detokenizer';
export { createTextDecoder, Tokenizer, type DecodeOptions, type EncodeOptions } from './tokenizer';
export { CALL_MARKS } from './tool-call-format';
export type { ToolCallFormat, ToolCallStream } from './tool-call-format';
export type { TokenizerSpec } from './spec';
