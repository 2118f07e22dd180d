// The tools of a session: how the model is told of them, and what becomes of its calls.

import type { ChatMessage, ToolCall, ToolDefinition } from '../../engine/types';
import { argumentsOf, type CollectedCall } from '../collect-calls';
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

/** As the engine takes them, by name. */
export function toDefinitions(tools: readonly LanguageModelTool[]): Record<string, ToolDefinition> {
  return Object.fromEntries(
    tools.map(({ name, description, inputSchema }) => {
      return [name, { description, schema: inputSchema as Record<string, unknown> }];
    }),
  );
}

/**
 * Calls the tools, all at once, and gives the messages that tell of it: the assistant's, with what it has said, and one for
 * each result. Rejects with what a tool fails with, and with an `UnknownError` for a call that was cut.
 */
export async function runCalls(
  said: string,
  calls: readonly CollectedCall[],
  tools: readonly LanguageModelTool[],
): Promise<ChatMessage[]> {
  const whole = calls.map((call) => ({ ...call, given: wholeArguments(call) }));
  const results = await Promise.all(
    whole.map(async ({ id, name, given }): Promise<ChatMessage> => {
      const tool = tools.find((each) => each.name === name);
      if (!tool) throw new DOMException(`The model has called ${name}, which is no tool.`, 'UnknownError');
      return { role: 'tool', name, tool_call_id: id, content: String(await tool.execute(given)) };
    }),
  );
  const toolCalls = whole.map(({ id, name, given }): ToolCall => {
    return { id, type: 'function', function: { name, arguments: given } };
  });
  return [{ role: 'assistant', content: said === '' ? null : said, tool_calls: toolCalls }, ...results];
}

function wholeArguments(call: CollectedCall): Record<string, unknown> {
  const given = argumentsOf(call);
  if (given) return given;
  throw new DOMException(`The context was full before the call of ${call.name} was whole.`, 'UnknownError');
}
