// What a caller calls a prompt becomes the ids to evaluate.

import { TernionError } from '../errors';
import { encodeRaw, encodeSegments, type ChatFormat, type ChatMessage } from '../tokenizer';
import type { Prompt } from './types';

/** A prompt whose ids are known, and the messages that it stands for. */
export interface EncodedPrompt {
  ids: number[];
  /** Undefined for raw text and token ids: they are no conversation. */
  messages: ChatMessage[] | undefined;
}

/**
 * Encodes `prompt`. Where a conversation begins as `sequence` does, it gets the same ids, so that they are found in the KV
 * cache. Throws `template-failed`, and `invalid-argument` for a prompt of which no token is left.
 */
export function encodePrompt(prompt: Prompt, chat: ChatFormat, sequence: readonly number[]): EncodedPrompt {
  const ids = idsOf(prompt, chat, sequence);
  if (ids.length > 0) return { ids, messages: Array.isArray(prompt) ? prompt : undefined };
  throw new TernionError('invalid-argument', 'The prompt is empty: its template makes no tokens of it.');
}

function idsOf(prompt: Prompt, chat: ChatFormat, sequence: readonly number[]): number[] {
  if (typeof prompt === 'string') return encodeRaw(chat.tokenizer, prompt);
  if (Array.isArray(prompt)) return encodeSegments(chat.tokenizer, chat.render(prompt), sequence);
  return Array.from(prompt.tokenIds);
}
