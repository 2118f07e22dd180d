// What a chat shows, and how it changes: plain data, for any framework.

import type { FinishReason, ChatMessage } from '../../engine/types';

/** A message of a chat. */
export interface ChatEntry {
  /** No other message of this chat has it: a key for lists. */
  readonly id: number;
  readonly role: 'user' | 'assistant';
  /** Of an answer under way, as far as it has come. */
  readonly content: string;
  /** The model's reasoning, where it comes apart. */
  readonly reasoning?: string;
  /** Why the answer ended; absent while it is under way, and of one that has failed. */
  readonly finishReason?: FinishReason;
}

/**
 * What a chat does: it has no engine yet (`loading`), waits for a message (`ready`), for the first token (`submitted`), for the
 * rest (`streaming`), or for a message after an answer has failed (`error`).
 */
export type ChatStatus = 'loading' | 'ready' | 'submitted' | 'streaming' | 'error';

/** All that a chat shows. */
export interface ChatState {
  readonly messages: readonly ChatEntry[];
  readonly status: ChatStatus;
  /** What the last answer failed with; undefined once something else was asked. */
  readonly error: Error | undefined;
}

/** What happens to a chat. */
export type ChatEvent =
  | { type: 'attached' }
  | { type: 'detached' }
  | { type: 'asked'; text: string }
  | { type: 'asked-again' }
  | { type: 'came'; text: string; reasoning: string }
  | { type: 'ended'; finishReason: FinishReason }
  | { type: 'failed'; error: Error }
  | { type: 'cleared' };

/** A chat in which these messages were said before. */
export function chatOf(messages: readonly Pick<ChatEntry, 'role' | 'content'>[] = []): ChatState {
  const entries = messages.map(({ role, content }, id) => ({ id, role, content }));
  return { messages: entries, status: 'loading', error: undefined };
}

/** The chat after `event`. */
export function next(state: ChatState, event: ChatEvent): ChatState {
  const { messages, status } = state;
  switch (event.type) {
    case 'attached':
      return status === 'loading' ? { ...state, status: 'ready' } : state;
    case 'detached':
      return { ...state, messages: withoutEmpty(cutOff(state)), status: 'loading' };
    case 'asked':
      return asked([...messages, { id: idAfter(messages), role: 'user', content: event.text }]);
    case 'asked-again':
      return asked(messages.slice(0, lastQuestion(messages) + 1));
    case 'came':
      return { ...state, status: 'streaming', messages: withMore(messages, event) };
    case 'ended':
      return { ...state, status: 'ready', messages: withoutEmpty(ended(messages, event.finishReason)) };
    case 'failed':
      return { messages: withoutEmpty(messages), status: 'error', error: event.error };
    case 'cleared':
      return { messages: [], status: status === 'loading' ? 'loading' : 'ready', error: undefined };
  }
}

/** What a model is told of a chat. */
export function conversationOf(messages: readonly ChatEntry[], system: string | undefined): ChatMessage[] {
  const said = messages.map(({ role, content, reasoning }): ChatMessage => {
    return { role, content, ...(reasoning && { reasoning_content: reasoning }) };
  });
  return system ? [{ role: 'system', content: system }, ...said] : said;
}

/** Where the last message of the user's is; -1 if there is none. */
export function lastQuestion(messages: readonly ChatEntry[]): number {
  return messages.findLastIndex(({ role }) => role === 'user');
}

function asked(messages: readonly ChatEntry[]): ChatState {
  const answer: ChatEntry = { id: idAfter(messages), role: 'assistant', content: '' };
  return { messages: [...messages, answer], status: 'submitted', error: undefined };
}

function idAfter(messages: readonly ChatEntry[]): number {
  return (messages.at(-1)?.id ?? -1) + 1;
}

function withMore(
  messages: readonly ChatEntry[],
  { text, reasoning }: { text: string; reasoning: string },
): readonly ChatEntry[] {
  return changedLast(messages, (last) => ({
    ...last,
    content: last.content + text,
    ...(reasoning && { reasoning: (last.reasoning ?? '') + reasoning }),
  }));
}

function ended(messages: readonly ChatEntry[], finishReason: FinishReason): readonly ChatEntry[] {
  return changedLast(messages, (last) => ({ ...last, finishReason }));
}

/** The messages, of which an answer under way is ended. */
function cutOff({ messages, status }: ChatState): readonly ChatEntry[] {
  return status === 'submitted' || status === 'streaming' ? ended(messages, 'abort') : messages;
}

function changedLast(
  messages: readonly ChatEntry[],
  change: (last: ChatEntry) => ChatEntry,
): readonly ChatEntry[] {
  const last = messages.at(-1);
  return last?.role === 'assistant' ? [...messages.slice(0, -1), change(last)] : messages;
}

/** An answer of which nothing came is none. */
function withoutEmpty(messages: readonly ChatEntry[]): readonly ChatEntry[] {
  const last = messages.at(-1);
  return last?.role === 'assistant' && !last.content && !last.reasoning ? messages.slice(0, -1) : messages;
}
