// A chat for as long as a component is there.

import { useEffect, useState, useSyncExternalStore } from 'react';
import type { LoadProgress } from '../../plan/load-options';
import type { ModelSource } from '../../storage/sources/model-source';
import { Chat, type ChatEngine, type ChatHow } from './chat';
import type { ChatEntry, ChatState } from './chat-state';
import { useModel, type UseModelOptions } from './use-model';

/** With whom to chat, and how. */
export interface UseChatOptions extends ChatHow {
  /** An engine that somebody else loads and disposes of, such as that of `useModel`; undefined until it is there. */
  engine?: ChatEngine | undefined;
  /** Or a model that the chat loads for itself. */
  source?: ModelSource | undefined;
  /** How to load `source`. */
  load?: UseModelOptions | undefined;
  /** What was said before; read at the first render. */
  messages?: readonly Pick<ChatEntry, 'role' | 'content'>[] | undefined;
}

/** A chat, and what can be done with it. The functions stay the same from render to render. */
export interface UsedChat extends ChatState {
  /** How far the load of `source` is. */
  progress: LoadProgress | undefined;
  /** Asks. Resolves when the answer has ended; to false, and nothing happens, while there is no engine or an answer is under way. */
  send: (text: string) => Promise<boolean>;
  /** Ends the answer under way; what came of it stays. */
  stop: () => void;
  /** Asks the last question again, in place of its answer. */
  regenerate: () => Promise<boolean>;
  /** Forgets all that was said. */
  clear: () => void;
  /** Tries again to load `source`. */
  retry: () => void;
}

/**
 * A conversation with the model of `engine`, or with the one at `source`. What comes is shown once a frame. An unmount ends the
 * answer under way and disposes of the session, which is made by the first message: StrictMode's two mounts make one.
 */
export function useChat({
  engine: given,
  source,
  load,
  messages,
  system,
  options,
}: UseChatOptions): UsedChat {
  const { engine: own, progress, error: loadError, retry } = useModel(given ? undefined : source, load);
  const [chat] = useState(() => new Chat(messages));
  const engine: ChatEngine | undefined = given ?? own;
  useEffect(() => void (chat.how = { system, options }));
  useEffect(() => {
    if (!engine) return undefined;
    chat.attach(engine);
    return () => chat.detach();
  }, [chat, engine]);
  const read = (): ChatState => chat.state;
  const state = useSyncExternalStore(chat.subscribe, read, read);
  const failed = loadError && ({ status: 'error', error: loadError } as const);
  const { send, stop, regenerate, clear } = chat;
  return { ...state, ...failed, progress, send, stop, regenerate, clear, retry };
}
