// Messages and tools of a chat request, as the engine and its templates take them.

import type { ChatMessage, TextPart, ToolCall } from '../../engine/types';
import { badRequest } from './api-error';
import { Fields, isRecord } from './fields';

/** Reads `messages`. */
export function readMessages(fields: Fields): ChatMessage[] {
  const messages = fields.list('messages');
  if (!messages || messages.length === 0) throw fields.wrong('messages', 'a list of messages');
  return messages.map((message, i) => readMessage(new Fields(message, `${fields.at('messages')}[${i}]`)));
}

const ROLES = ['system', 'developer', 'user', 'assistant', 'tool'];

function readMessage(fields: Fields): ChatMessage {
  const role = fields.text('role');
  if (role === undefined || !ROLES.includes(role)) throw fields.wrong('role', `one of ${ROLES.join(', ')}`);
  const calls = readCalls(fields, role);
  const message: ChatMessage = {
    // What newer models of OpenAI call developer is the system to all templates.
    role: role === 'developer' ? 'system' : role,
    content: readContent(fields, calls),
    ...given('tool_calls', calls),
    ...given('tool_call_id', fields.text('tool_call_id')),
    ...given('name', fields.text('name')),
    ...given('reasoning_content', fields.text('reasoning_content')),
  };
  readEmpty(fields);
  fields.done();
  return message;
}

/** An object with this field, or none where there is no value. */
function given<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): Partial<Record<Name, Value>> {
  return value === undefined ? {} : ({ [name]: value } as Record<Name, Value>);
}

/** Answers come back as they were given, and those of OpenAI have these fields, without anything in them. */
function readEmpty(fields: Fields): void {
  for (const name of ['refusal', 'audio', 'function_call']) {
    if (fields.take(name) !== undefined)
      throw badRequest(fields.at(name), `${fields.at(name)} is not supported.`);
  }
  fields.list('annotations');
}

function readContent(fields: Fields, calls: readonly ToolCall[] | undefined): ChatMessage['content'] {
  const content = fields.take('content');
  if (typeof content === 'string') return content;
  if (content === undefined && calls) return null;
  if (!Array.isArray(content)) throw fields.wrong('content', 'a string, or a list of parts of type text');
  return content.map((part, i) => readTextPart(part, `${fields.at('content')}[${i}]`, ['text']));
}

/** A part of a content whose type is one of `types`. */
export function readTextPart(part: unknown, at: string, types: readonly string[]): TextPart {
  const fields = new Fields(part, at);
  const type = fields.text('type');
  if (type === undefined || !types.includes(type)) {
    throw badRequest(at, `${at} is a part of type '${type}', which is not supported: text is.`);
  }
  const text = fields.text('text');
  if (text === undefined) throw fields.wrong('text', 'a string');
  fields.ignore('annotations', 'logprobs');
  fields.done();
  return { type: 'text', text };
}

function readCalls(fields: Fields, role: string): ToolCall[] | undefined {
  const calls = fields.list('tool_calls');
  if (!calls || calls.length === 0) return undefined;
  const at = fields.at('tool_calls');
  if (role !== 'assistant') throw badRequest(at, `${at} cannot be there: only an assistant calls tools.`);
  return calls.map((call, i) => readCall(new Fields(call, `${at}[${i}]`)));
}

function readCall(fields: Fields): ToolCall {
  const called = fields.object('function');
  const id = fields.text('id');
  fields.ignore('index');
  const type = fields.text('type') ?? 'function';
  if (type !== 'function' || !called) throw fields.wrong('function', 'the function that was called');
  const name = called.text('name');
  if (name === undefined) throw called.wrong('name', 'a string');
  const call = toolCall(name, called.text('arguments') ?? '{}', id);
  called.done();
  fields.done();
  return call;
}

/** A call for templates, which take arguments as an object: the API has them as JSON in a string. */
export function toolCall(name: string, written: string, id: string | undefined): ToolCall {
  let read: unknown;
  try {
    read = JSON.parse(written);
  } catch {
    // A model may have written what is no JSON. The template gets what it wrote.
  }
  return {
    ...given('id', id),
    type: 'function',
    function: { name, arguments: isRecord(read) ? read : written },
  };
}
