// The tools of a session: how the model is told of them, and what becomes of its calls.

import type { ChatMessage, ToolCall } from '../../engine/types';
import type { FoundCall } from '../../tokenizer/tool-calls';
import type { LanguageModelTool } from './types';

/** Copies of the caller's tools. Throws `TypeError` for what is none. */
export function readTools(tools: readonly LanguageModelTool[] = []): LanguageModelTool[] {
  return [...tools].map(({ name, description, inputSchema, execute }) => {
    if (typeof inputSchema !== 'object' || inputSchema === null)
      throw new TypeError('A tool has an inputSchema.');
    if (typeof execute !== 'function') throw new TypeError('A tool has a function to execute.');
    return { name: String(name), description: String(description), inputSchema, execute };
  });
}

/** In the shape that chat templates share with the OpenAI API. */
export function toTemplateTools(tools: readonly LanguageModelTool[]): object[] {
  return tools.map(({ name, description, inputSchema: parameters }) => ({
    type: 'function',
    function: { name, description, parameters },
  }));
}

/**
 * Calls the tools, all at once, and gives the messages that tell of it: the assistant's, with what it has said, and one for
 * each result. Rejects with what a tool fails with.
 */
export async function runCalls(
  said: string,
  found: readonly FoundCall[],
  tools: readonly LanguageModelTool[],
): Promise<ChatMessage[]> {
  const calls = found.map((call) => ({ id: crypto.randomUUID(), call }));
  const results = await Promise.all(
    calls.map(async ({ id, call }): Promise<ChatMessage> => {
      const tool = tools.find(({ name }) => name === call.name)!;
      const result = await tool.execute(call.arguments);
      return { role: 'tool', name: call.name, tool_call_id: id, content: String(result) };
    }),
  );
  const toolCalls = calls.map(({ id, call }): ToolCall => ({
    id,
    type: 'function',
    function: { name: call.name, arguments: call.arguments },
  }));
  return [{ role: 'assistant', content: said === '' ? null : said, tool_calls: toolCalls }, ...results];
}
