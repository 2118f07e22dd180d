// `ternion/connect`: the engine's own way of speaking, over a server.

export { connect } from './connect';
export { loadOrConnect, type Placed } from './load-or-connect';
export { TernionError, type TernionErrorCode } from '../../errors';
export type { ChatMessage, FinishReason, Prompt, SessionOptions } from '../../engine/types';
export type {
  ConnectedEngine,
  ConnectOptions,
  Ids,
  RemoteAlternative,
  RemoteAnswer,
  RemoteAnswerStream,
  RemoteChunk,
  RemoteEngine,
  RemoteGenerateOptions,
  RemoteLogprob,
  RemoteSession,
  RemoteUsage,
  ServerInfo,
  ServerKind,
  WithIds,
  WithoutIds,
} from './types';
