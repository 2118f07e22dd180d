// The tokenizer room: what the rest of the engine may use of it.
export {
  ChatTemplate,
  chatTemplateOf,
  FunctionTemplate,
  type ConversationTemplate,
  type RenderOptions,
  type TemplateOrigin,
} from './chat-template';
export { tokenizerSpecFromGguf, type MetadataGetter } from './gguf-spec';
export { tokenizerSpecFromJson, type JsonSpecExtras } from './json-spec';
export { checkMessages, checkTemplateOptions } from './messages';
export {
  ChatFormat,
  encodeRaw,
  encodeSegments,
  renderConversation,
  type ChatOptions,
  type PromptSegment,
} from './prompt';
export { StopMatcher, type StopMatch } from './stop-matcher';
export { StreamingDetokenizer } from './streaming-detokenizer';
export { Tokenizer, type DecodeOptions, type EncodeOptions } from './tokenizer';
export { TokenType, type TokenizerSpec } from './spec';
