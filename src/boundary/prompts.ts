// What a caller may call a prompt: text, chat messages or token ids.

import type { Prompt, SessionOptions } from '../engine/types';
import { TernionError } from '../errors';
import type { ChatMessage, TextPart, ToolCall } from '../tokenizer';
import { JsonBudget } from './json';
import {
  fields,
  invalid,
  isObject,
  isPlain,
  lengthOf,
  list,
  optional,
  property,
  refusal,
  text,
  type Read,
} from './read';

/** The longest list of ids that is read at all: every token of a large book collection. It takes 64 MB. */
const MAX_IDS = 2 ** 24;
/** Messages of a conversation, and parts of a message. */
const MAX_ITEMS = 2 ** 16;

/** What a model takes. */
export interface ModelLimits {
  vocabularySize: number;
  /** Tokens that prompt and answer can have together. */
  contextLength: number;
}

/** A prompt of the model that has these limits. */
export function prompt(limits: ModelLimits): Read<Prompt> {
  return promptWith(tokensOfContext(limits));
}

/** One that may be longer than the context, because it is made to fit. */
export function promptToShorten({ vocabularySize }: ModelLimits): Read<Prompt> {
  return promptWith(someTokens(vocabularySize, MAX_IDS));
}

function promptWith(tokens: Read<Uint32Array>): Read<Prompt> {
  const ids = fields({ tokenIds: tokens });
  return (value, at) => {
    if (typeof value === 'string') return sentText(value, at);
    if (Array.isArray(value)) return messages(value, 'messages');
    if (isObject(value)) return ids(value, at);
    throw invalid(at, value, 'a string, a list of messages, or {tokenIds}');
  };
}

/** The text of a prompt. */
export const sentText: Read<string> = text({ least: 1 });

/** A conversation, as a copy of what templates may see of it. */
export const messages: Read<ChatMessage[]> = (value, at) => {
  const budget = new JsonBudget();
  const extent = { least: 1, most: MAX_ITEMS, wanted: 'a list of messages', count: budget.takeValues };
  return list(messageReader(budget), extent)(value, at);
};

/** What a session begins with, as its messages. */
export const sessionStart: Read<ChatMessage[]> = (value, at) => {
  const budget = new JsonBudget();
  const extent = { most: MAX_ITEMS, wanted: 'a list of messages', count: budget.takeValues };
  const { system, messages: said = [] } = fields<SessionOptions>({
    system: optional((text, where) => budget.text(sentText(text, where), where)),
    messages: optional(list(messageReader(budget), extent)),
  })(value, at);
  if (system === undefined) return [...said];
  if (said[0]?.role === 'system')
    throw refusal(
      `${at}.messages[0]`,
      'is of the system, and so is the option system: leave one of them out',
    );
  return [{ role: 'system', content: system }, ...said];
};

/** A text, which may be empty, or a conversation. */
export const tokenizable: Read<string | ChatMessage[]> = (value, at) => {
  if (typeof value === 'string') return text()(value, at);
  if (Array.isArray(value)) return messages(value, at);
  throw invalid(at, value, 'a string or a list of messages');
};

/**
 * Ids of a vocabulary, in anything that has a length and numbers under its indices. The length is judged before an id is
 * read. At most `most`: more are `context-overflow`, and more than anybody has are `invalid-argument`.
 */
export function tokenIds(vocabularySize: number, most = MAX_IDS): Read<Uint32Array> {
  return (value, at) => {
    if (typeof value !== 'object' || value === null)
      throw invalid(at, value, 'token ids in an array or typed array');
    if (ArrayBuffer.isView(value) && !(value instanceof DataView)) checkAttached(value, at);
    const length = lengthOf(value, MAX_IDS, at);
    if (length > most) {
      const message = `${length} tokens do not fit the context of ${most}.`;
      throw new TernionError('context-overflow', message);
    }
    const ids = new Uint32Array(length);
    for (let i = 0; i < length; i++) {
      const id = property(value, i, at);
      if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= vocabularySize)
        throw invalid(`${at}[${i}]`, id, `a token: the vocabulary has ${vocabularySize} tokens, from 0 on`);
      ids[i] = id;
    }
    return ids;
  };
}

/** Ids to evaluate: some, and no more than the context holds. */
export function tokensOfContext({ vocabularySize, contextLength }: ModelLimits): Read<Uint32Array> {
  return someTokens(vocabularySize, contextLength);
}

function someTokens(vocabularySize: number, most: number): Read<Uint32Array> {
  const read = tokenIds(vocabularySize, most);
  return (value, at) => {
    const ids = read(value, at);
    if (ids.length > 0) return ids;
    throw refusal(at, 'is empty: there are no tokens to evaluate');
  };
}

/** Throws `invalid-argument` for a view of a buffer that was transferred away: it would read as an empty one. */
export function checkAttached(view: ArrayBufferView, at: string): void {
  try {
    // Costs nothing, and is defined to throw for a view without its buffer. Not every browser has `buffer.detached`.
    Uint8Array.prototype.keys.call(view as Uint8Array);
  } catch (cause) {
    throw refusal(
      at,
      'is a view of an ArrayBuffer that is detached: it was transferred to somebody else',
      cause,
    );
  }
}

function messageReader(budget: JsonBudget): Read<ChatMessage> {
  const role: Read<string> = (value, at) => budget.text(text({ least: 1 })(value, at), at);
  const note = optional(budget.text);
  const read = fields<ChatMessage>(
    {
      role,
      content: contentReader(budget),
      tool_calls: optional(callsReader(budget)),
      tool_call_id: note,
      name: note,
      reasoning_content: note,
    },
    'an object with a role and a content',
  );
  return (value, at) => {
    const message = read(value, at);
    if (message.tool_calls && message.role !== 'assistant')
      throw refusal(`${at}.tool_calls`, 'cannot be there: only an assistant calls tools');
    if (message.content !== null || message.tool_calls) return message;
    throw invalid(`${at}.content`, null, `${CONTENT}; only an assistant that calls tools may have none`);
  };
}

const CONTENT = 'a string, or a list of parts of type text';

function contentReader(budget: JsonBudget): Read<ChatMessage['content']> {
  const part: Read<TextPart> = (value, at) => {
    const wanted = "a part {type: 'text', text}; others, such as images, are not supported";
    if (!isObject(value) || property(value, 'type', at) !== 'text') throw invalid(at, value, wanted);
    return { type: 'text', text: budget.text(property(value, 'text', at), `${at}.text`) };
  };
  const parts = list(part, { most: MAX_ITEMS, wanted: CONTENT, count: budget.takeValues });
  return (value, at) => {
    if (value === null) return null;
    return typeof value === 'string' ? budget.text(value, at) : parts(value, at);
  };
}

function callsReader(budget: JsonBudget): Read<ToolCall[]> {
  const call: Read<ToolCall> = (value, at) => {
    const copy = budget.object(value, at);
    if (isToolCall(copy)) return copy;
    throw invalid(at, value, 'a call {function: {name, arguments}}');
  };
  const wanted = 'a list of calls that is not empty';
  return list(call, { least: 1, most: MAX_ITEMS, wanted, count: budget.takeValues });
}

function isToolCall(call: unknown): call is ToolCall {
  const { id, type, function: called } = call as Readonly<Record<string, unknown>>;
  if (id !== undefined && typeof id !== 'string') return false;
  if (type !== undefined && type !== 'function') return false;
  if (!isPlain(called)) return false;
  const { name, arguments: given } = called as Readonly<Record<string, unknown>>;
  return typeof name === 'string' && (typeof given === 'string' || isPlain(given));
}
