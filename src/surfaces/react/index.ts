// `ternion/react`: a model and a chat as hooks.

export { useChat, type UseChatOptions, type UsedChat } from './use-chat';
export { useModel, type UseModelOptions, type UsedModel } from './use-model';
export {
  Chat,
  type ChatChunk,
  type ChatEngine,
  type ChatHow,
  type ChatSession,
  type NextFrame,
} from './chat';
export type { ChatEntry, ChatState, ChatStatus } from './chat-state';
