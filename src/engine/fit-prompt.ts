// A prompt that fits the context: as it is, or without its middle where the caller allows that.

import { TernionError } from '../errors';
import type { ChatFormat, ChatMessage } from '../tokenizer';
import { encodePrompt, type EncodedPrompt } from './encode-prompt';
import type { ResolvedOptions } from './sampling';
import type { Prompt } from './types';

/** A prompt that leaves room for an answer, and what of it was left out. */
export interface FittedPrompt extends EncodedPrompt {
  omittedTokens: number;
  omittedTurns: number;
}

/** An answer as far as its reader was given it, as plain data. Whoever has it can go on with it, on another engine of the model. */
export interface BegunAnswer {
  prompt: FittedPrompt;
  /** Tokens given so far. */
  sampled: readonly number[];
}

/** What decides how long a prompt can be. */
export type Room = Pick<ResolvedOptions, 'maxTokens' | 'contextOverflow'> & { contextLength: number };

/** Of the context, the most that is kept free for an answer whose prompt has to be made shorter. */
const ANSWER_SHARE = 1 / 4;

/** Of the tokens that are left of raw text, those from its beginning. */
const HEAD_SHARE = 1 / 4;

/** Encodes `prompt`, see `encodePrompt`. Throws `context-overflow` if it leaves no room for a token of an answer. */
export function fitPrompt(
  prompt: Prompt,
  chat: ChatFormat,
  sequence: readonly number[],
  { contextLength, maxTokens, contextOverflow }: Room,
): FittedPrompt {
  const whole = encodePrompt(prompt, chat, sequence);
  const room = Math.max(1, Math.min(maxTokens, Math.floor(contextLength * ANSWER_SHARE)));
  const isCut = contextOverflow === 'truncate-middle' && whole.ids.length > contextLength - room;
  const encode = (messages: ChatMessage[]): number[] => encodePrompt(messages, chat, sequence).ids;
  const fitted = isCut ? shortened(whole, contextLength - room, encode) : { ids: whole.ids, omittedTurns: 0 };
  const { length } = fitted.ids;
  if (length < contextLength)
    return { ...fitted, messages: whole.messages, omittedTokens: whole.ids.length - length };
  const what = fitted.omittedTurns > 0 ? 'newest turn of the prompt, with the system prompt,' : 'prompt';
  const message = `The ${what} has ${length} tokens; with an answer it must fit ${contextLength}.`;
  throw new TernionError('context-overflow', message);
}

/** With at most `most` tokens, if leaving out what may be left out makes it that short. */
function shortened(
  { ids, messages }: EncodedPrompt,
  most: number,
  encode: (messages: ChatMessage[]) => number[],
): Pick<FittedPrompt, 'ids' | 'omittedTurns'> {
  if (!messages) return { ids: withoutMiddle(ids, most), omittedTurns: 0 };
  const { system, turns } = splitTurns(messages);
  const from = (first: number): number[] => encode([...system, ...turns.slice(first).flat()]);
  // The fewest turns that have to go: the more are left out, the fewer tokens there are.
  let [least, enough] = [0, turns.length - 1];
  if (enough <= 0) return { ids, omittedTurns: 0 };
  let shortest = from(enough);
  while (enough - least > 1) {
    const middle = (least + enough) >> 1;
    const shorter = from(middle);
    if (shorter.length > most) least = middle;
    else [enough, shortest] = [middle, shorter];
  }
  return { ids: shortest, omittedTurns: enough };
}

/** The first quarter of what is left, and the rest from the end; all of it where nothing would be left. */
function withoutMiddle(ids: number[], most: number): number[] {
  if (most < 1) return ids;
  const head = Math.floor(most * HEAD_SHARE);
  return [...ids.slice(0, head), ...ids.slice(ids.length - (most - head))];
}

/** The messages of the system at the beginning, and turns: each a user's message with all up to the next one. */
function splitTurns(messages: readonly ChatMessage[]): { system: ChatMessage[]; turns: ChatMessage[][] } {
  const first = messages.findIndex(({ role }) => role !== 'system' && role !== 'developer');
  const rest = first < 0 ? [] : messages.slice(first);
  const turns: ChatMessage[][] = [];
  for (const message of rest) {
    if (message.role === 'user' || turns.length === 0) turns.push([message]);
    else turns.at(-1)!.push(message);
  }
  return { system: messages.slice(0, messages.length - rest.length), turns };
}
