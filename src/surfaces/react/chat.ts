// A chat with an engine, as a store that frameworks can watch: it asks, batches what comes by frame, stops, and lets go.

import type { ChatMessage, FinishReason, GenerateOptions } from '../../engine/types';
import {
  chatOf,
  conversationOf,
  lastQuestion,
  next,
  type ChatEntry,
  type ChatEvent,
  type ChatState,
} from './chat-state';

/** What a chat uses of a session: one of this package, or one over a server. */
export interface ChatSession {
  generate(prompt: ChatMessage[], options?: GenerateOptions): ReadableStream<ChatChunk>;
  dispose(): Promise<void>;
}

/** What a chat uses of a chunk. */
export interface ChatChunk {
  text: string;
  reasoning?: string;
  finishReason?: FinishReason;
}

/** What a chat uses of an engine. */
export interface ChatEngine {
  createSession(): ChatSession;
}

/** How a chat asks. */
export interface ChatHow {
  /** What the system says first. */
  system?: string | undefined;
  /** Options of each answer; `signal` is the chat's own. */
  options?: Omit<GenerateOptions, 'signal'> | undefined;
}

/** Has a function called with the next frame, or soon where none are drawn. Gives a function that has it not called. */
export type NextFrame = (call: () => void) => () => void;

/** An answer under way. */
interface Answer {
  readonly abort: AbortController;
  /** What has come and is not shown yet. */
  text: string;
  reasoning: string;
  cancelFrame: (() => void) | undefined;
}

/** A conversation that is watched. It asks the engine that is attached, in a session that it makes when it first asks. */
export class Chat {
  /** How the next answer is asked for. */
  how: ChatHow = {};
  #state: ChatState;
  #engine: ChatEngine | undefined;
  #session: ChatSession | undefined;
  #answer: Answer | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(
    messages: readonly Pick<ChatEntry, 'role' | 'content'>[] = [],
    private readonly nextFrame: NextFrame = animationFrame,
  ) {
    this.#state = chatOf(messages);
  }

  get state(): ChatState {
    return this.#state;
  }

  /** Has `listener` called after each change, until the function that this gives is. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** From now on `engine` is asked. */
  attach(engine: ChatEngine): void {
    if (this.#engine === engine) return;
    this.detach();
    this.#engine = engine;
    this.#change({ type: 'attached' });
  }

  /** Ends the answer under way and lets go of session and engine. What was said stays; another engine can go on with it. */
  detach(): void {
    const session = this.#session;
    if (this.#answer) this.#showRest(this.#answer);
    this.#abandon();
    this.#engine = undefined;
    this.#session = undefined;
    // With its engine gone, so is the session: that is what is wanted.
    session?.dispose().catch(() => {});
    this.#change({ type: 'detached' });
  }

  /** Asks `text`. Resolves when the answer has ended; to false, and nothing happens, while there is no engine or an answer is under way. */
  readonly send = async (text: string): Promise<boolean> => {
    if (!this.#engine || this.#answer) return false;
    this.#change({ type: 'asked', text });
    return this.#ask(this.#engine);
  };

  /** Asks the last question again, in place of its answer. As `send`; also false if nothing was asked yet. */
  readonly regenerate = async (): Promise<boolean> => {
    if (!this.#engine || this.#answer || lastQuestion(this.#state.messages) < 0) return false;
    this.#change({ type: 'asked-again' });
    return this.#ask(this.#engine);
  };

  /** Ends the answer under way; what came of it stays. */
  readonly stop = (): void => this.#answer?.abort.abort();

  /** Forgets all that was said, and ends the answer under way. */
  readonly clear = (): void => {
    this.#abandon();
    this.#change({ type: 'cleared' });
  };

  async #ask(engine: ChatEngine): Promise<true> {
    const answer: Answer = { abort: new AbortController(), text: '', reasoning: '', cancelFrame: undefined };
    this.#answer = answer;
    try {
      this.#session ??= engine.createSession();
      const { system, options } = this.how;
      const { messages } = this.#state;
      const prompt = conversationOf(messages.slice(0, lastQuestion(messages) + 1), system);
      const stream = this.#session.generate(prompt, { ...options, signal: answer.abort.signal });
      const finishReason = await this.#read(stream.getReader(), answer);
      this.#end(answer, { type: 'ended', finishReason });
    } catch (error) {
      // Such as by `engine.load`: the next question makes another session, of the model that is there then.
      if (this.#answer === answer && codeOf(error) === 'disposed') this.#session = undefined;
      this.#end(answer, { type: 'failed', error: error instanceof Error ? error : new Error(String(error)) });
    }
    return true;
  }

  async #read(reader: ReadableStreamDefaultReader<ChatChunk>, answer: Answer): Promise<FinishReason> {
    let finishReason: FinishReason = 'abort';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return finishReason;
      answer.text += value.text;
      answer.reasoning += value.reasoning ?? '';
      finishReason = value.finishReason ?? finishReason;
      if (this.#answer === answer) answer.cancelFrame ??= this.nextFrame(() => this.#show(answer));
    }
  }

  /** Shows what has come since the last time. */
  #show(answer: Answer): void {
    answer.cancelFrame = undefined;
    const { text, reasoning } = answer;
    answer.text = answer.reasoning = '';
    if (text || reasoning) this.#change({ type: 'came', text, reasoning });
  }

  /** Shows what has come without waiting for a frame. */
  #showRest(answer: Answer): void {
    answer.cancelFrame?.();
    this.#show(answer);
  }

  /** Nothing happens if the answer was abandoned. */
  #end(answer: Answer, event: ChatEvent): void {
    if (this.#answer !== answer) return;
    this.#showRest(answer);
    this.#answer = undefined;
    this.#change(event);
  }

  /** Ends the answer under way, of which nothing is shown any more. */
  #abandon(): void {
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.cancelFrame?.();
    answer?.abort.abort();
  }

  #change(event: ChatEvent): void {
    const state = next(this.#state, event);
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

/** The code of a failure of an engine, be it of this module or another one. */
function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** Longest wait for a frame, ms: pages that are hidden have none. */
const FRAME_MS = 100;

/** The next frame of the page, where it draws any. */
export const animationFrame: NextFrame = (call) => {
  const frame = typeof requestAnimationFrame === 'function' ? requestAnimationFrame(() => done()) : undefined;
  const timer = setTimeout(() => done(), FRAME_MS);
  const cancel = (): void => {
    clearTimeout(timer);
    if (frame !== undefined) cancelAnimationFrame(frame);
  };
  const done = (): void => {
    cancel();
    call();
  };
  return cancel;
};
