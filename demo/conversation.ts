// A conversation with a model: what was asked, what the model has of it, and how to take something back. It knows no page.

import type { ChatMessage, Engine, GenerateChunk, GenerateOptions, Session, Usage } from '../src/index';

/** How answers are generated. */
export interface Settings {
  /** What the system says first, from the next conversation on; none if empty. */
  system: string;
  temperature: number;
  topP: number;
  /** Undefined: another one for each answer. */
  seed: number | undefined;
  /** Whether answers come with the probabilities of their tokens, and of what else could have come. */
  tokens: boolean;
}

/** Tokens that could have come, of each token, where answers come with probabilities. */
const ALTERNATIVES = 5;

export const DEFAULT_SETTINGS: Settings = {
  system: '',
  temperature: 0,
  topP: 1,
  seed: undefined,
  tokens: false,
};

/** How much of the context a conversation takes. */
export interface ContextUse {
  /** Tokens of the last prompt and its answer. */
  used: number;
  /** Tokens that there is room for. */
  length: number;
}

/** One of several ways that a conversation has gone from some answer on, while another one is on the page. */
interface Branch {
  session: Session;
  turns: Turn[];
  used: number;
  omitted: number;
}

/** A question, and whether the model has it among its messages: what failed before an answer began, it has not. */
interface Turn {
  question: string;
  kept: boolean;
}

/** One conversation, from its first turn to its last. */
export class Conversation {
  #session: Session;
  #turns: Turn[] = [];
  #used = 0;
  /** Turns that the last answer was given without, of those that the model has. */
  #omitted = 0;
  /** The branch that the fields above are of, from 0 in the order in which they came. */
  #branch = 0;
  /** All branches, as they were when they were left. */
  readonly #branches: Branch[] = [];

  /**
   * @param system what the system says first.
   * @param messages what was said before, on an earlier visit.
   */
  constructor(
    private readonly engine: Engine,
    readonly system: string,
    messages: readonly ChatMessage[] = [],
  ) {
    this.#session = engine.createSession({ ...(system && { system }), messages });
    for (const { role, content } of messages)
      if (role === 'user') this.#turns.push({ question: textOf(content), kept: true });
  }

  /** What was said, and what the system said first. */
  get messages(): readonly ChatMessage[] {
    return this.#session.messages;
  }

  get length(): number {
    return this.#turns.length;
  }

  get context(): ContextUse {
    return { used: this.#used, length: this.engine.info.contextLength };
  }

  /** How many of the first turns the model did not see any more when it gave its last answer. */
  get forgotten(): number {
    let left = this.#omitted;
    const index = this.#turns.findIndex(({ kept }) => kept && left-- === 0);
    return index < 0 ? 0 : index;
  }

  /** Asks, and gives the answer as it comes. */
  ask(question: string, how: Omit<Settings, 'system'>, signal: AbortSignal): AsyncGenerator<GenerateChunk> {
    return this.#answer(question, (options) => this.#session.send(question, options), how, signal);
  }

  /**
   * Begins another branch, in which nothing stands of the turn `index` and all behind it. The one that is left can be shown again.
   * Rejects with `out-of-memory` if there is no room for its keys and values. Not while an answer is under way.
   */
  async branch(index: number): Promise<void> {
    const session = await this.#session.fork();
    this.#leave();
    this.#branch = this.#branches.length;
    this.#session = session;
    this.#turns = this.#turns.slice(0, index);
  }

  /**
   * Answers a question of the branch that was left anew, with an answer that begins with these tokens. The session has all of the
   * other branch until then, so that what it has in common with it is not evaluated again.
   */
  async *goOn(
    question: string,
    beginsWith: readonly number[],
    how: Omit<Settings, 'system'>,
    signal: AbortSignal,
  ): AsyncGenerator<GenerateChunk> {
    const session = this.#session;
    const before = this.#turns.filter(({ kept }) => kept).length;
    const asked = session.messages.flatMap(({ role }, i) => (role === 'user' ? [i] : []));
    const messages = session.messages.slice(0, (asked[before] ?? 0) + 1);
    const start = (options: GenerateOptions): ReadableStream<GenerateChunk> =>
      session.generate(messages, { ...options, beginsWith });
    let begun = false;
    try {
      for await (const chunk of this.#answer(question, start, how, signal)) {
        begun ||= chunk.tokenIds.length > 0;
        yield chunk;
      }
    } finally {
      if (!begun) await session.rewind({ turns: asked.length - before });
    }
  }

  /** Shows another branch, by its number. Not while an answer is under way. */
  show(branch: number): void {
    const shown = this.#branches[branch];
    if (!shown || branch === this.#branch) return;
    this.#leave();
    this.#branch = branch;
    this.#session = shown.session;
    this.#turns = shown.turns;
    this.#used = shown.used;
    this.#omitted = shown.omitted;
  }

  #leave(): void {
    this.#branches[this.#branch] = {
      session: this.#session,
      turns: this.#turns,
      used: this.#used,
      omitted: this.#omitted,
    };
  }

  async *#answer(
    question: string,
    start: (options: GenerateOptions) => ReadableStream<GenerateChunk>,
    { temperature, topP, seed, tokens }: Omit<Settings, 'system'>,
    signal: AbortSignal,
  ): AsyncGenerator<GenerateChunk> {
    const turn: Turn = { question, kept: false };
    this.#turns.push(turn);
    const options: GenerateOptions = { temperature, topP, signal, contextOverflow: 'truncate-middle' };
    if (seed !== undefined) options.seed = seed;
    if (tokens) options.logprobs = ALTERNATIVES;
    const reader = start(options).getReader();
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        if (next.value.usage) this.#account(next.value.usage);
        yield next.value;
      }
    } finally {
      const asked = this.#session.messages.filter(({ role }) => role === 'user').length;
      turn.kept = asked > this.#turns.filter(({ kept }) => kept).length;
      await reader.cancel();
    }
  }

  /** Takes back the turn `index` and all behind it; gives the question. Not while an answer is under way. */
  async takeBack(index: number): Promise<string> {
    const question = this.#turns[index]?.question ?? '';
    const turns = this.#turns.slice(index).filter(({ kept }) => kept).length;
    if (turns > 0) await this.#session.rewind({ turns });
    this.#turns.length = index;
    this.#omitted = Math.min(this.#omitted, this.#turns.filter(({ kept }) => kept).length);
    return question;
  }

  /** All that was said, as Markdown. */
  export(title: string): string {
    const names: Record<string, string> = { system: 'System', user: 'You', assistant: title };
    const parts = this.#session.messages.map(
      ({ role, content }) => `**${names[role] ?? role}**\n\n${textOf(content)}\n`,
    );
    return [`# ${title}\n`, ...parts].join('\n');
  }

  async dispose(): Promise<void> {
    this.#leave();
    await Promise.all(this.#branches.map(({ session }) => session.dispose()));
  }

  #account({ promptTokens, completionTokens, omittedTurns }: Usage): void {
    this.#used = promptTokens + completionTokens;
    this.#omitted = omittedTurns;
  }
}

/** The text of a message: this page writes no others. */
export function textOf(content: ChatMessage['content']): string {
  return typeof content === 'string' ? content : '';
}

/** The questions of a conversation with their answers; one that was never answered has an empty one. */
export function turnsOf(messages: readonly ChatMessage[]): { question: string; answer: string }[] {
  return messages.flatMap(({ role, content }, i) => {
    if (role !== 'user') return [];
    const next = messages[i + 1];
    return [{ question: textOf(content), answer: next?.role === 'assistant' ? textOf(next.content) : '' }];
  });
}
