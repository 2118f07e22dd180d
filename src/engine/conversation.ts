// What was said in a session, as plain data: its messages, the tokens that they are, and which belong together.

import { TernionError } from '../errors';
import type { ChatMessage, ToolCall } from '../tokenizer';
import type { AnswerPiece } from './answer';
import type { EncodedPrompt } from './encode-prompt';
import { wholeCalls } from './whole-answer';

/** So many messages stand in so many tokens: after a prompt, and after its answer. */
export interface Mark {
  readonly tokens: number;
  readonly messages: number;
}

/** All of a conversation, ready to be kept somewhere else. */
export interface ConversationData {
  readonly messages: readonly ChatMessage[];
  readonly sequence: readonly number[];
  /** Both numbers grow from one to the next. */
  readonly marks: readonly Mark[];
}

/** A conversation that grows by answers, and can be taken back. */
export class Conversation implements ConversationData {
  messages: ChatMessage[];
  /** All tokens of prompts and answers, also the last ones that no cache holds yet. */
  sequence: number[];
  marks: Mark[];

  constructor({ messages, sequence, marks }: ConversationData = { messages: [], sequence: [], marks: [] }) {
    this.messages = [...messages];
    this.sequence = [...sequence];
    this.marks = [...marks];
  }

  /** A prompt was answered so far. An answer that has not begun leaves all as it was. */
  keep({ ids, messages }: EncodedPrompt, { text, reasoning, toolCalls = [], tokenIds }: AnswerPiece): void {
    if (tokenIds.length === 0) return;
    const sequence = [...ids, ...tokenIds];
    const kept = commonPrefix(this.sequence, sequence);
    this.marks = this.marks.filter(({ tokens }) => tokens <= kept && tokens < ids.length);
    this.sequence = sequence;
    if (!messages) return;
    const reasoned = reasoning === undefined ? {} : { reasoning_content: reasoning };
    const called = wholeCalls(toolCalls).map(({ id, name, arguments: args }): ToolCall => {
      return { id, type: 'function', function: { name, arguments: args } };
    });
    const tools = called.length === 0 ? {} : { tool_calls: called };
    this.messages = [...messages, { role: 'assistant', content: text, ...reasoned, ...tools }];
    this.marks.push(
      { tokens: ids.length, messages: messages.length },
      { tokens: sequence.length, messages: messages.length + 1 },
    );
  }

  /** Takes back tokens or turns, see `Session.rewind`. Throws `invalid-argument` if there are not so many. */
  rewind(to: number | { turns: number }): void {
    if (typeof to === 'number') this.#dropTokens(to);
    else this.#dropTurns(to.turns);
  }

  #dropTokens(count: number): void {
    const left = this.sequence.length - count;
    if (left < 0) throw tooFar(count, 'tokens', this.sequence.length);
    const marks = this.marks.filter(({ tokens }) => tokens <= left);
    // Messages that never stood in these tokens, because a raw prompt came after them, stay as they are.
    if (marks.length < this.marks.length) this.messages = this.messages.slice(0, marks.at(-1)?.messages ?? 0);
    this.marks = marks;
    this.sequence = this.sequence.slice(0, left);
  }

  #dropTurns(count: number): void {
    const questions = this.messages.flatMap(({ role }, i) => (role === 'user' ? [i] : []));
    if (count > questions.length) throw tooFar(count, 'turns', questions.length);
    const left = questions[questions.length - count];
    if (left === undefined) return;
    this.messages = this.messages.slice(0, left);
    this.marks = this.marks.filter(({ messages }) => messages <= left);
    this.sequence = this.sequence.slice(0, this.marks.at(-1)?.tokens ?? 0);
  }
}

/** How many tokens two sequences begin with alike. */
function commonPrefix(a: readonly number[], b: readonly number[]): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}

function tooFar(count: number, what: string, there: number): TernionError {
  return new TernionError(
    'invalid-argument',
    `There are no ${count} ${what} to take back: there are ${there}.`,
  );
}
