// What a model is told of the shape that its answer is held to: a mask decides what it can write, words what it means by that.

import type { ChatMessage } from '../engine/types';

/** A JSON answer that a caller wants: of a schema, perhaps, which may have a name and a description. */
export interface WantedJson {
  schema?: unknown;
  name?: string | undefined;
  description?: string | undefined;
}

/** What to tell a model that is to answer in JSON. */
export function jsonInWords({ schema, name, description }: WantedJson): string {
  if (schema === undefined) return 'Answer with a JSON object, and with nothing else.';
  const title = name === undefined ? 'JSON schema' : `JSON schema of ${name}`;
  const about = description === undefined ? '' : ` (${description})`;
  const text = JSON.stringify(schema);
  return `${title}${about}:\n${text}\nAnswer with JSON that matches this schema, and with nothing else.`;
}

/** What to tell a model whose whole answer is to match a regular expression. */
export function patternInWords(pattern: string): string {
  return `Regular expression:\n${pattern}\nAnswer with text that matches it as a whole, and with nothing else.`;
}

/** The conversation with `words` at the end of the system message, or in one of their own at its beginning. */
export function tellSystem(messages: readonly ChatMessage[], words: string): ChatMessage[] {
  const [first, ...rest] = messages;
  if (first?.role !== 'system') return [{ role: 'system', content: words }, ...messages];
  return [said(first, words), ...rest];
}

/** The messages with `words` at the end of the user's last one, or in one of their own behind all. */
export function tellUser(messages: readonly ChatMessage[], words: string): ChatMessage[] {
  const last = messages.findLastIndex(({ role }) => role === 'user');
  if (last < 0) return [...messages, { role: 'user', content: words }];
  return messages.map((message, i) => (i === last ? said(message, words) : message));
}

function said(message: ChatMessage, words: string): ChatMessage {
  const { content } = message;
  if (typeof content === 'string' && content !== '') return { ...message, content: `${content}\n\n${words}` };
  const parts = typeof content === 'object' && content ? content : [];
  if (parts.length === 0) return { ...message, content: words };
  return { ...message, content: [...parts, { type: 'text', text: words }] };
}
