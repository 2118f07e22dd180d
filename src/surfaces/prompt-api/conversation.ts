// What a session has said, as the messages that templates take, and how it is shortened when it grows too long.

import type { ChatMessage } from '../../engine/types';
import { TernionError } from '../../errors';
import type { TemplateOptions } from '../../tokenizer';
import type { LanguageModelEngine } from './engine-loader';

/** A prompt with its answer, or what was appended at once: the oldest is what is left out first. */
export type Turn = readonly ChatMessage[];

/** How full the context is after a look at it. */
export interface Fit {
  /** Tokens of the whole conversation, what is new included. */
  tokens: number;
  /** Turns to leave out. Undefined if not even that helps. */
  evicted: number | undefined;
}

/** Messages that stay, and turns that come and go. */
export class Conversation {
  /** Tokens of all that was said, as they were counted last. */
  tokens = 0;

  constructor(
    private readonly engine: LanguageModelEngine,
    readonly initial: readonly ChatMessage[],
    readonly templateOptions: TemplateOptions,
    readonly turns: Turn[] = [],
  ) {}

  /** A conversation that goes on from here by itself. */
  copy(): Conversation {
    const copy = new Conversation(this.engine, this.initial, this.templateOptions, [...this.turns]);
    copy.tokens = this.tokens;
    return copy;
  }

  get begun(): boolean {
    return this.initial.length > 0 || this.turns.length > 0;
  }

  /** All messages, and `pending` behind them. */
  with(pending: readonly ChatMessage[], evicted = 0): ChatMessage[] {
    return [...this.initial, ...this.turns.slice(evicted).flat(), ...pending];
  }

  /** Tokens of `messages`, with the opening of the answer; 0 for none. */
  async count(messages: readonly ChatMessage[]): Promise<number> {
    if (messages.length === 0) return 0;
    try {
      return (await this.promptIds(messages)).length;
    } catch (error) {
      // Some templates take nothing that does not end with a question: then one without words is asked.
      if (!(error instanceof TernionError) || error.code !== 'template-failed') throw error;
      return (await this.promptIds([...messages, { role: 'user', content: '' }])).length;
    }
  }

  /** The ids of the prompt that `messages` make. */
  promptIds(messages: readonly ChatMessage[]): Promise<number[]> {
    return this.engine.tokenize(messages, { templateOptions: this.templateOptions });
  }

  /**
   * Finds how many of the oldest turns must go for `pending`, `extra` tokens and some room for the answer to fit. Where the
   * room is what is missing after all could go, the answer gets what is left. Changes nothing.
   */
  async fit(pending: readonly ChatMessage[], extra: number): Promise<Fit> {
    const { contextLength } = this.engine.info;
    for (let evicted = 0; ; evicted++) {
      const tokens = (await this.count(this.with(pending, evicted))) + extra;
      if (tokens <= contextLength - roomForAnswer(contextLength)) return { tokens, evicted };
      if (evicted < this.turns.length) continue;
      return { tokens, evicted: tokens < contextLength ? evicted : undefined };
    }
  }

  /** Leaves out the oldest turns. */
  evict(count: number): void {
    this.turns.splice(0, count);
  }
}

/** Tokens that a prompt leaves for its answer, as long as there is something to leave out. */
function roomForAnswer(contextLength: number): number {
  return Math.min(256, Math.floor(contextLength / 8));
}
