// A session of the Prompt API: prompts take their turns, and the conversation is what was said and answered.

import { iterable } from '../../boundary/iterable';
import { RequestQueue } from '../../engine/request-queue';
import type { ChatMessage, GenerateChunk } from '../../engine/types';
import { tellUser } from '../structured-output';
import { Answering, type AnswerParts } from './answering';
import { readConstraint, type Constraint } from './constraint';
import { exceptionOf, quotaExceeded } from './failures';
import { readPrompt, type ReadPrompt } from './prompts';
import type {
  LanguageModel,
  LanguageModelPrompt,
  LanguageModelPromptOptions,
  LanguageModelSamplingMode,
  LanguageModelSignalOptions,
} from './types';

/** What a session is made of. */
export interface SessionParts extends AnswerParts {
  onChunk: ((chunk: GenerateChunk, session: LanguageModel) => void) | undefined;
  /** A session of the same class. */
  make: (parts: SessionParts) => LanguageModel;
}

type Handler = LanguageModel['oncontextoverflow'];

/** What `createLanguageModel` derives its class from. */
export class PromptSession extends EventTarget implements LanguageModel {
  readonly #parts: SessionParts;
  readonly #answering: Answering;
  readonly #turns = new RequestQueue();
  readonly #destruction = new AbortController();
  readonly #handlers = new Map<string, { handler: NonNullable<Handler>; listener: (event: Event) => void }>();

  constructor(parts: SessionParts) {
    super();
    this.#parts = parts;
    this.#answering = new Answering(parts, {
      makeRoom: (pending, extra) => this.#makeRoom(pending, extra),
      onChunk: (chunk) => parts.onChunk?.(chunk, this),
    });
  }

  get contextUsage(): number {
    return this.#parts.conversation.tokens;
  }

  get contextWindow(): number {
    return this.#parts.engine.info.contextLength;
  }

  get samplingMode(): LanguageModelSamplingMode | null {
    return this.#parts.sampling.samplingMode;
  }

  get topK(): number {
    return this.#parts.sampling.topK;
  }

  get temperature(): number {
    return this.#parts.sampling.temperature;
  }

  get inputUsage(): number {
    return this.contextUsage;
  }

  get inputQuota(): number {
    return this.contextWindow;
  }

  get oncontextoverflow(): Handler {
    return this.#handler('contextoverflow');
  }

  set oncontextoverflow(handler: Handler) {
    this.#setHandler('contextoverflow', handler);
  }

  get onquotaoverflow(): Handler {
    return this.#handler('quotaoverflow');
  }

  set onquotaoverflow(handler: Handler) {
    this.#setHandler('quotaoverflow', handler);
  }

  async prompt(input: LanguageModelPrompt, options: LanguageModelPromptOptions = {}): Promise<string> {
    let answer = '';
    await this.#answer(input, options, options.signal, (text) => (answer += text));
    return answer;
  }

  promptStreaming(
    input: LanguageModelPrompt,
    options: LanguageModelPromptOptions = {},
  ): ReadableStream<string> {
    const left = new AbortController();
    const signal = AbortSignal.any([left.signal, ...(options.signal ? [options.signal] : [])]);
    const stream = new ReadableStream<string>({
      start: (controller) => {
        // The answer does not wait for its reader, as the specification has it. It is no longer than the context.
        this.#answer(input, options, signal, (text) => {
          if (!left.signal.aborted) controller.enqueue(text);
        }).then(
          () => left.signal.aborted || controller.close(),
          (error: unknown) => controller.error(error),
        );
      },
      cancel: (reason) => left.abort(reason),
    });
    return iterable(stream);
  }

  async append(input: LanguageModelPrompt, options: LanguageModelSignalOptions = {}): Promise<undefined> {
    await this.#inTurn(options.signal, async (signal) => {
      const { conversation } = this.#parts;
      const { messages, prefix } = readPrompt(input, conversation.begun);
      const turn = prefix === '' ? messages : [...messages, { role: 'assistant', content: prefix }];
      const tokens = await this.#makeRoom(turn, 0);
      await this.#answering.evaluate(conversation.with(turn), signal);
      conversation.turns.push(turn);
      conversation.tokens = tokens;
    });
  }

  async measureContextUsage(
    input: LanguageModelPrompt,
    options: LanguageModelPromptOptions = {},
  ): Promise<number> {
    const { conversation } = this.#parts;
    const signal = this.#endOf(options.signal);
    try {
      signal.throwIfAborted();
      const { messages, prefix } = this.#read(input, readConstraint(options));
      const tokens = await conversation.count(conversation.with(messages));
      const extra = prefix === '' ? [] : await this.#parts.engine.tokenize(prefix);
      signal.throwIfAborted();
      return Math.max(0, tokens + extra.length - conversation.tokens);
    } catch (error) {
      throw exceptionOf(error, signal, 'UnknownError');
    }
  }

  measureInputUsage(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): Promise<number> {
    return this.measureContextUsage(input, options);
  }

  clone(options: LanguageModelSignalOptions = {}): Promise<LanguageModel> {
    return this.#inTurn(
      options.signal,
      async (signal) => {
        const { session, conversation, make } = this.#parts;
        const fork = await session.fork();
        if (!signal.aborted)
          return make({ ...this.#parts, session: fork, conversation: conversation.copy() });
        await fork.dispose();
        throw signal.reason;
      },
      'OperationError',
    );
  }

  destroy(): undefined {
    this.end(new DOMException('The session was destroyed.', 'AbortError'));
  }

  /** Ends the session when `signal` fires. */
  protected endWith(signal: AbortSignal): void {
    const onAbort = (): void => this.end(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true, signal: this.#destruction.signal });
  }

  /** Ends the session: `reason` is what all that is under way, and all that comes later, rejects with. */
  protected end(reason: unknown): void {
    if (this.#destruction.signal.aborted) return;
    this.#destruction.abort(reason);
    // Nobody waits for that, and what it fails with has happened to the engine.
    this.#parts.session.dispose().catch(() => {});
  }

  /** Evaluates what the conversation begins with. Rejects with `QuotaExceededError` if it is too long. */
  protected async begin(): Promise<void> {
    const { conversation } = this.#parts;
    const tokens = await conversation.count(conversation.initial);
    if (tokens >= this.contextWindow) throw quotaExceeded(tokens, this.contextWindow);
    if (tokens > 0) await this.#answering.evaluate(conversation.with([]), this.#destruction.signal);
    conversation.tokens = tokens;
  }

  /** Answers, and keeps prompt and answer if nothing came in between. */
  #answer(
    input: LanguageModelPrompt,
    options: LanguageModelPromptOptions,
    given: AbortSignal | undefined,
    onText: (text: string) => void,
  ): Promise<void> {
    return this.#inTurn(given, async (signal) => {
      const { conversation } = this.#parts;
      const constraint = readConstraint(options);
      const prompt = this.#read(input, constraint);
      const { messages, tokens } = await this.#answering.answer(prompt, constraint, signal, onText);
      conversation.turns.push(messages);
      conversation.tokens = tokens;
    });
  }

  /** A prompt, with what the model is told of the constraint at the end of what the user says. */
  #read(input: LanguageModelPrompt, constraint: Constraint | undefined): ReadPrompt {
    const read = readPrompt(input, this.#parts.conversation.begun);
    if (constraint?.words === undefined) return read;
    return { ...read, messages: tellUser(read.messages, constraint.words) };
  }

  /** Leaves out the oldest turns until `pending` fits, and says so. Gives the tokens that there are then. */
  async #makeRoom(pending: readonly ChatMessage[], extra: number): Promise<number> {
    const { conversation } = this.#parts;
    const { tokens, evicted } = await conversation.fit(pending, extra);
    if (evicted === undefined) {
      const all = (await conversation.count(conversation.with(pending))) + extra;
      throw quotaExceeded(all, this.contextWindow);
    }
    if (evicted === 0) return tokens;
    conversation.evict(evicted);
    conversation.tokens = await conversation.count(conversation.with([]));
    for (const type of ['contextoverflow', 'quotaoverflow']) this.dispatchEvent(new Event(type));
    return tokens;
  }

  /** Runs `work` when all that was asked for before has ended. Rejects with exceptions of the specification. */
  async #inTurn<T>(
    given: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
    otherwise: 'OperationError' | 'UnknownError' = 'UnknownError',
  ): Promise<T> {
    const signal = this.#endOf(given);
    try {
      await this.#turns.enter(signal);
      try {
        signal.throwIfAborted();
        return await work(signal);
      } finally {
        this.#turns.leave();
      }
    } catch (error) {
      throw exceptionOf(error, signal, otherwise);
    }
  }

  /** Fires with `signal`, and when the session ends. */
  #endOf(signal: AbortSignal | undefined): AbortSignal {
    return AbortSignal.any([this.#destruction.signal, ...(signal ? [signal] : [])]);
  }

  #handler(type: string): Handler {
    return this.#handlers.get(type)?.handler ?? null;
  }

  #setHandler(type: string, handler: Handler): void {
    const before = this.#handlers.get(type);
    if (before) this.removeEventListener(type, before.listener);
    this.#handlers.delete(type);
    if (typeof handler !== 'function') return;
    const listener = (event: Event): void => void handler.call(this, event);
    this.#handlers.set(type, { handler, listener });
    this.addEventListener(type, listener);
  }
}
