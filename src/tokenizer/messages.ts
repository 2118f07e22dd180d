// Makes of messages what templates take. A page imports this file, so it imports none of what reads templates.
import type { ChatMessage, TemplateMessage, TextPart } from './chat-template';

/** Variables that the engine gives a template itself. */
export const OWN_VARIABLES: readonly string[] = [
  'messages',
  'add_generation_prompt',
  'bos_token',
  'eos_token',
];

/** The messages with their content as one text: its parts joined by newlines, as llama.cpp and vLLM do it. */
export function toTemplateMessages(messages: readonly ChatMessage[]): TemplateMessage[] {
  return messages.map((message) => ({ ...message, content: textOfContent(message.content) }));
}

function textOfContent(content: string | readonly TextPart[] | null): string {
  if (content === null) return '';
  return typeof content === 'string' ? content : content.map(({ text }) => text).join('\n');
}
