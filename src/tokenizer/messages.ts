// Checks conversations and template options that come from outside, and makes of messages what templates take.
import { TernionError } from '../errors';
import type { ChatMessage, TemplateMessage, TemplateOptions, TextPart, ToolCall } from './chat-template';

/** Throws `invalid-argument`, naming message and field, unless all are {@link ChatMessage}s. */
export function checkMessages(messages: readonly ChatMessage[]): void {
  for (const [index, message] of messages.entries()) checkMessage(message, `messages[${index}]`);
}

/** The messages with their content as one text: its parts joined by newlines, as llama.cpp and vLLM do it. */
export function toTemplateMessages(messages: readonly ChatMessage[]): TemplateMessage[] {
  return messages.map((message) => ({ ...message, content: textOfContent(message.content) }));
}

/** Variables that the engine gives a template itself. */
const OWN_VARIABLES: readonly string[] = ['messages', 'add_generation_prompt', 'bos_token', 'eos_token'];

/**
 * Throws `invalid-argument` unless `options` are JSON values under names that are free, and `tools`, where there are any,
 * a list of objects.
 */
export function checkTemplateOptions(options: TemplateOptions | undefined): void {
  if (options === undefined) return;
  if (!isRecord(options)) throw invalid('templateOptions', 'an object');
  for (const [name, value] of Object.entries(options)) {
    if (OWN_VARIABLES.includes(name)) {
      throw new TernionError('invalid-argument', `templateOptions cannot set ${name}: the engine does.`);
    }
    checkJson(value, `templateOptions.${name}`, 0);
  }
  const { tools } = options;
  if (tools === undefined || tools === null) return;
  if (!Array.isArray(tools) || !tools.every(isRecord))
    throw invalid('templateOptions.tools', 'a list of objects');
}

function checkMessage(message: unknown, at: string): void {
  if (!isRecord(message)) throw invalid(at, 'an object with a role and a content');
  const { role, content, tool_calls: calls } = message;
  if (typeof role !== 'string' || role === '') throw invalid(`${at}.role`, 'a string that is not empty');
  for (const key of ['tool_call_id', 'name', 'reasoning_content']) {
    if (message[key] !== undefined && typeof message[key] !== 'string')
      throw invalid(`${at}.${key}`, 'a string');
  }
  if (calls !== undefined) checkCalls(calls, role, `${at}.tool_calls`);
  checkContent(content, calls !== undefined, `${at}.content`);
}

function checkContent(content: unknown, hasCalls: boolean, at: string): void {
  if (typeof content === 'string') return;
  if (content === null && hasCalls) return;
  if (!Array.isArray(content)) throw invalid(at, 'a string, or a list of parts of type text');
  for (const [index, part] of content.entries()) {
    if (isRecord(part) && part['type'] === 'text' && typeof part['text'] === 'string') continue;
    throw invalid(
      `${at}[${index}]`,
      "a part {type: 'text', text}; others, such as images, are not supported",
    );
  }
}

function checkCalls(calls: unknown, role: string, at: string): void {
  if (role !== 'assistant')
    throw new TernionError('invalid-argument', `${at}: only an assistant calls tools.`);
  if (!Array.isArray(calls) || calls.length === 0) throw invalid(at, 'a list of calls that is not empty');
  for (const [index, call] of calls.entries()) {
    if (isToolCall(call)) checkJson(call, `${at}[${index}]`, 0);
    else throw invalid(`${at}[${index}]`, 'a call {function: {name, arguments}}');
  }
}

function isToolCall(call: unknown): call is ToolCall {
  if (!isRecord(call) || !isRecord(call['function'])) return false;
  const { name, arguments: given } = call['function'];
  return typeof name === 'string' && (typeof given === 'string' || isRecord(given));
}

/** Deeper values than this are in no schema, and would overflow the stack of what walks through them. */
const MAX_DEPTH = 100;

function checkJson(value: unknown, at: string, depth: number): void {
  if (depth > MAX_DEPTH) throw invalid(at, `nested less than ${MAX_DEPTH} deep`);
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) checkJson(item, `${at}[${index}]`, depth + 1);
  } else if (isRecord(value)) {
    for (const [key, item] of Object.entries(value)) checkJson(item, `${at}.${key}`, depth + 1);
  } else if (!isJsonScalar(value)) {
    throw invalid(at, 'a JSON value');
  }
}

/** What is undefined counts as not being there. */
function isJsonScalar(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  return value === null || ['string', 'boolean', 'undefined'].includes(typeof value);
}

/** An object that is plain data (also of another realm), and no list, date or other thing with a life of its own. */
function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function textOfContent(content: string | readonly TextPart[] | null): string {
  if (content === null) return '';
  return typeof content === 'string' ? content : content.map(({ text }) => text).join('\n');
}

function invalid(what: string, wanted: string): TernionError {
  return new TernionError('invalid-argument', `${what} must be ${wanted}.`);
}
