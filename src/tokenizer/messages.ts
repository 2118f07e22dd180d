// Makes of messages what templates take.
import type { ChatMessage, TemplateMessage, TextPart } from './chat-template';

/** The messages with their content as one text: its parts joined by newlines, as llama.cpp and vLLM do it. */
export function toTemplateMessages(messages: readonly ChatMessage[]): TemplateMessage[] {
  return messages.map((message) => ({ ...message, content: textOfContent(message.content) }));
}

function textOfContent(content: string | readonly TextPart[] | null): string {
  if (content === null) return '';
  return typeof content === 'string' ? content : content.map(({ text }) => text).join('\n');
}
