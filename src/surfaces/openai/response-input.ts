// What POST /v1/responses takes: a conversation as items, which become messages.

import type { ChatMessage, ToolCall } from '../../engine/types';
import { badRequest } from './api-error';
import { Fields } from './fields';
import { readTextPart, toolCall } from './messages';

/** Reads `instructions` and `input`. */
export function readConversation(fields: Fields): ChatMessage[] {
  const instructions = fields.text('instructions');
  const input = fields.take('input');
  const builder = new ConversationBuilder();
  if (instructions) builder.add({ role: 'system', content: instructions });
  if (typeof input === 'string') builder.add({ role: 'user', content: input });
  else if (Array.isArray(input) && input.length > 0)
    input.forEach((item, i) => readItem(new Fields(item, `${fields.at('input')}[${i}]`), builder));
  else throw fields.wrong('input', 'a string, or a list of items');
  return builder.messages;
}

/** Puts together what items have apart: an assistant's reasoning, its text and its calls are one message. */
class ConversationBuilder {
  readonly messages: ChatMessage[] = [];
  /** Of the assistant's message that comes next. */
  #reasoning: string | undefined;

  add(message: ChatMessage): void {
    const reasoning = message.role === 'assistant' ? this.#reasoning : undefined;
    this.#reasoning = undefined;
    this.messages.push(reasoning === undefined ? message : { ...message, reasoning_content: reasoning });
  }

  reason(text: string): void {
    this.#reasoning = (this.#reasoning ?? '') + text;
  }

  call(call: ToolCall): void {
    const last = this.messages.at(-1);
    if (this.#reasoning !== undefined || last?.role !== 'assistant') {
      this.add({ role: 'assistant', content: null, tool_calls: [call] });
      return;
    }
    this.messages[this.messages.length - 1] = { ...last, tool_calls: [...(last.tool_calls ?? []), call] };
  }
}

function readItem(fields: Fields, builder: ConversationBuilder): void {
  // What answers have, and what nothing depends on.
  fields.ignore('id', 'status', 'phase');
  const type = fields.text('type') ?? 'message';
  if (type === 'message') builder.add(readMessage(fields));
  else if (type === 'reasoning') builder.reason(readReasoning(fields));
  else if (type === 'function_call') builder.call(readCall(fields));
  else if (type === 'function_call_output') builder.add(readOutput(fields));
  else throw badRequest(fields.at('type'), `${fields.at('type')} '${type}' is not supported.`);
  fields.done();
}

const ROLES = ['system', 'developer', 'user', 'assistant'];

function readMessage(fields: Fields): ChatMessage {
  const role = fields.text('role');
  if (role === undefined || !ROLES.includes(role)) throw fields.wrong('role', `one of ${ROLES.join(', ')}`);
  const content = readContent(fields, 'content');
  return { role: role === 'developer' ? 'system' : role, content };
}

function readContent(fields: Fields, name: string): ChatMessage['content'] {
  const content = fields.take(name);
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) throw fields.wrong(name, 'a string, or a list of parts of type text');
  const types = ['input_text', 'output_text', 'text'];
  return content.map((part, i) => readTextPart(part, `${fields.at(name)}[${i}]`, types));
}

function readReasoning(fields: Fields): string {
  fields.ignore('summary', 'encrypted_content');
  const parts = (fields.list('content') ?? []).map((part, i) =>
    readTextPart(part, `${fields.at('content')}[${i}]`, ['reasoning_text']),
  );
  return parts.map(({ text }) => text).join('');
}

function readCall(fields: Fields): ToolCall {
  const name = fields.text('name');
  if (name === undefined) throw fields.wrong('name', 'a string');
  return toolCall(name, fields.text('arguments') ?? '{}', fields.text('call_id'));
}

function readOutput(fields: Fields): ChatMessage {
  const id = fields.text('call_id');
  if (id === undefined) throw fields.wrong('call_id', 'a string');
  return { role: 'tool', tool_call_id: id, content: readContent(fields, 'output') };
}
