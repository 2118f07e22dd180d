// What a caller calls a prompt becomes the ids to evaluate.

import { TernionError } from '../errors';
import {
  encodeRaw,
  encodeSegments,
  renderConversation,
  type ChatMessage,
  type ChatTemplate,
  type Tokenizer,
} from '../tokenizer';
import { checkTokenIds } from './token-ids';
import type { Prompt } from './types';

/** A prompt whose ids are known, and the messages that it stands for. */
export interface EncodedPrompt {
  ids: number[];
  /** Undefined for raw text and token ids: they are no conversation. */
  messages: ChatMessage[] | undefined;
}

/** What prompts are encoded with. */
export interface PromptEncoding {
  tokenizer: Tokenizer;
  template: ChatTemplate;
  vocabularySize: number;
}

/**
 * Encodes `prompt`. Where a conversation begins as `sequence` does, it gets the same ids, so that they are found in the KV
 * cache. Throws `invalid-argument` (no prompt, or an empty one) or `template-failed`.
 */
export function encodePrompt(
  prompt: Prompt,
  { tokenizer, template, vocabularySize }: PromptEncoding,
  sequence: readonly number[],
): EncodedPrompt {
  if (typeof prompt === 'string') {
    if (prompt === '') throw emptyPrompt();
    return { ids: encodeRaw(tokenizer, prompt), messages: undefined };
  }
  if (Array.isArray(prompt)) {
    if (prompt.length === 0) throw emptyPrompt();
    checkMessages(prompt);
    const segments = renderConversation(tokenizer, template, prompt);
    return { ids: encodeSegments(tokenizer, segments, sequence), messages: prompt };
  }
  const ids = checkTokenIds(prompt?.tokenIds, vocabularySize);
  if (ids.length === 0) throw emptyPrompt();
  return { ids, messages: undefined };
}

/** The error of a prompt that says nothing. */
export function emptyPrompt(): TernionError {
  return new TernionError('invalid-argument', 'The prompt is empty.');
}

function checkMessages(messages: readonly ChatMessage[]): void {
  for (const message of messages) {
    if (typeof message?.role === 'string' && typeof message.content === 'string') continue;
    throw new TernionError('invalid-argument', 'A chat message needs a role and a content, both strings.');
  }
}
