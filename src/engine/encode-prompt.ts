// What a caller calls a prompt becomes the ids to evaluate.

import { TernionError } from '../errors';
import { checkMessages, encodeRaw, encodeSegments, type ChatFormat, type ChatMessage } from '../tokenizer';
import { checkTokenIds } from './token-ids';
import type { Prompt } from './types';

/** A prompt whose ids are known, and the messages that it stands for. */
export interface EncodedPrompt {
  ids: number[];
  /** Undefined for raw text and token ids: they are no conversation. */
  messages: ChatMessage[] | undefined;
}

/**
 * Encodes `prompt`. Where a conversation begins as `sequence` does, it gets the same ids, so that they are found in the KV
 * cache. Throws `invalid-argument` (no prompt, or an empty one) or `template-failed`.
 */
export function encodePrompt(
  prompt: Prompt,
  chat: ChatFormat,
  vocabularySize: number,
  sequence: readonly number[],
): EncodedPrompt {
  const { tokenizer } = chat;
  if (typeof prompt === 'string') {
    if (prompt === '') throw emptyPrompt();
    return { ids: encodeRaw(tokenizer, prompt), messages: undefined };
  }
  if (Array.isArray(prompt)) {
    if (prompt.length === 0) throw emptyPrompt();
    checkMessages(prompt);
    return { ids: encodeSegments(tokenizer, chat.render(prompt), sequence), messages: prompt };
  }
  const ids = checkTokenIds(prompt?.tokenIds, vocabularySize);
  if (ids.length === 0) throw emptyPrompt();
  return { ids, messages: undefined };
}

/** The error of a prompt that says nothing. */
export function emptyPrompt(): TernionError {
  return new TernionError('invalid-argument', 'The prompt is empty.');
}
