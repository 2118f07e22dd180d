// The prompt of a call, as the messages that chat templates take.

import type { LanguageModelV4Message, LanguageModelV4Prompt } from '@ai-sdk/provider';
import type { ChatMessage, TextPart, ToolCall } from '../../engine/types';
import { TernionError } from '../../errors';

type Part<Role> =
  Extract<LanguageModelV4Message, { role: Role }> extends { content: (infer P)[] } ? P : never;
type ToolResult = Extract<Part<'tool'>, { type: 'tool-result' }>;

/** The conversation. Throws `unsupported-feature` where it has anything but text, reasoning, tool calls and their results. */
export function toMessages(prompt: LanguageModelV4Prompt): ChatMessage[] {
  return prompt.flatMap(toMessage);
}

function toMessage(message: LanguageModelV4Message): ChatMessage[] {
  switch (message.role) {
    case 'system':
      return [{ role: 'system', content: message.content }];
    case 'user':
      return [{ role: 'user', content: textOf(message.content.map(userText)) }];
    case 'assistant':
      return [assistantMessage(message.content)];
    case 'tool':
      return message.content.map(toolMessage);
  }
}

/** One text as it is, several as parts: the engine joins these as it does everywhere. */
function textOf(texts: readonly string[]): string | TextPart[] {
  return texts.length === 1 ? texts[0]! : texts.map((text) => ({ type: 'text', text }));
}

function userText(part: Part<'user'>): string {
  return part.type === 'text' ? part.text : refuse(`a file of type ${part.mediaType}`);
}

function assistantMessage(parts: readonly Part<'assistant'>[]): ChatMessage {
  let text = '';
  let reasoning = '';
  const calls: ToolCall[] = [];
  for (const part of parts) {
    if (part.type === 'text') text += part.text;
    else if (part.type === 'reasoning') reasoning += part.text;
    else if (part.type === 'tool-call') calls.push(toolCall(part));
    else refuse(`a part of type ${part.type} in the assistant's turn`);
  }
  return {
    role: 'assistant',
    content: text === '' && calls.length > 0 ? null : text,
    ...(reasoning !== '' && { reasoning_content: reasoning }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

function toolCall({
  toolCallId,
  toolName,
  input,
}: Extract<Part<'assistant'>, { type: 'tool-call' }>): ToolCall {
  const given = isRecord(input) ? input : JSON.stringify(input ?? {});
  return { id: toolCallId, type: 'function', function: { name: toolName, arguments: given } };
}

function toolMessage(part: Part<'tool'>): ChatMessage {
  if (part.type !== 'tool-result') refuse(`a part of type ${part.type}`);
  const { toolCallId, toolName, output } = part;
  return { role: 'tool', content: resultText(output), tool_call_id: toolCallId, name: toolName };
}

/** What a tool gave, as text: models read nothing else. */
function resultText(output: ToolResult['output']): string {
  switch (output.type) {
    case 'text':
    case 'error-text':
      return output.value;
    case 'json':
    case 'error-json':
      return JSON.stringify(output.value);
    case 'execution-denied':
      return output.reason ?? 'The user did not allow this call.';
    case 'content':
      return output.value
        .map((part) =>
          part.type === 'text' ? part.text : refuse(`a part of type ${part.type} in a tool's result`),
        )
        .join('\n');
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuse(what: string): never {
  throw new TernionError('unsupported-feature', `The prompt has ${what}; this model takes text only.`);
}
