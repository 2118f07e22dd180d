// Reads what callers give as prompts: texts and messages become those that chat templates take.

import type { ChatMessage } from '../../engine/types';
import { notSupported } from './failures';
import type { LanguageModelMessage, LanguageModelPrompt } from './types';

/** A prompt, read. */
export interface ReadPrompt {
  messages: ChatMessage[];
  /** The beginning of the answer, which is not among the messages. */
  prefix: string;
}

const ROLES: readonly string[] = ['system', 'user', 'assistant'] satisfies LanguageModelMessage['role'][];

/**
 * Reads a prompt. `begun`: something has been said before, so that there can be no system message any more. Throws
 * `TypeError` and, as `DOMException`s, `SyntaxError` and `NotSupportedError`, where the specification does.
 */
export function readPrompt(input: LanguageModelPrompt, begun: boolean): ReadPrompt {
  const given: readonly LanguageModelMessage[] = isIterable(input)
    ? [...input]
    : // As Web IDL has it: what is no sequence is a text.
      [{ role: 'user', content: String(input) }];
  if (given.length === 0) return { messages: [{ role: 'user', content: '' }], prefix: '' };
  const messages = given.map((message, i) => readMessage(message, begun || i > 0));
  given.forEach(({ prefix, role }, i) => {
    if (!prefix || (role === 'assistant' && i === given.length - 1)) return;
    throw new DOMException('Only the last message can be a prefix, if it is an assistant’s.', 'SyntaxError');
  });
  if (!given.at(-1)!.prefix) return { messages, prefix: '' };
  return { messages: messages.slice(0, -1), prefix: messages.at(-1)!.content };
}

/** What a conversation begins with. A prefix there is what an assistant has said. */
export function readInitialPrompts(input: readonly LanguageModelMessage[] = []): ChatMessage[] {
  const given = [...input];
  if (given.length === 0) return [];
  const { messages, prefix } = readPrompt(given, false);
  return given.at(-1)!.prefix ? [...messages, { role: 'assistant', content: prefix }] : messages;
}

/** Its content is text. */
function readMessage(message: LanguageModelMessage, begun: boolean): ChatMessage & { content: string } {
  if (typeof message !== 'object' || message === null) throw new TypeError('A message is an object.');
  const { role, content } = message;
  if (!ROLES.includes(role)) throw new TypeError(`A message cannot be of the role '${String(role)}'.`);
  if (role === 'system' && begun)
    throw new TypeError('Only the first message of all can be of the role system.');
  if (isIterable(content)) return { role, content: [...content].map(readContent).join('') };
  if (content === undefined) throw new TypeError('A message has content.');
  return { role, content: String(content) };
}

function readContent({ type, value }: { type: string; value: unknown }): string {
  if (type !== 'text')
    throw notSupported(`Content of type ${String(type)} is not supported: this is a text model.`);
  if (typeof value === 'string') return value;
  throw new TypeError('Content of type text has a string for its value.');
}

/** A sequence, in the sense of Web IDL: strings are none. */
function isIterable<T>(value: string | readonly T[]): value is readonly T[] {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}
