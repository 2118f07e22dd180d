// A session of the Prompt API: prompts take their turns, and the conversation is what was said and answered.

import { RequestQueue } from '../../engine/request-queue';
import type { ChatMessage, GenerateChunk, Prompt, Session } from '../../engine/types';
import { TernionError } from '../../errors';
import { toolCallParser, type FoundCall } from '../../tokenizer/tool-calls';
import { refuseShape } from '../structured-output';
import type { Conversation } from './conversation';
import { exceptionOf, quotaExceeded } from './failures';
import { readPrompt, type ReadPrompt } from './prompts';
import type { Sampling } from './sampling';
import type { LanguageModelEngine } from './engine-loader';
import { runCalls } from './tools';
import type {
  LanguageModel,
  LanguageModelPrompt,
  LanguageModelPromptOptions,
  LanguageModelSamplingMode,
  LanguageModelSignalOptions,
  LanguageModelTool,
} from './types';

/** What a session is made of. */
export interface SessionParts {
  engine: LanguageModelEngine;
  session: Session;
  conversation: Conversation;
  sampling: Sampling;
  tools: readonly LanguageModelTool[];
  seed: number | undefined;
  onChunk: ((chunk: GenerateChunk, session: LanguageModel) => void) | undefined;
  /** A session of the same class. */
  make: (parts: SessionParts) => LanguageModel;
}

/** Rounds of calls in one answer. A model that goes on calling would do so for ever. */
const MAX_ROUNDS = 16;

type Handler = LanguageModel['oncontextoverflow'];

/** What `createLanguageModel` derives its class from. */
export class PromptSession extends EventTarget implements LanguageModel {
  readonly #parts: SessionParts;
  readonly #turns = new RequestQueue();
  readonly #destruction = new AbortController();
  readonly #handlers = new Map<string, { handler: NonNullable<Handler>; listener: (event: Event) => void }>();

  constructor(parts: SessionParts) {
    super();
    this.#parts = parts;
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
    return new ReadableStream<string>({
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
  }

  async append(input: LanguageModelPrompt, options: LanguageModelSignalOptions = {}): Promise<undefined> {
    await this.#inTurn(options.signal, async (signal) => {
      const { conversation } = this.#parts;
      const { messages, prefix } = readPrompt(input, conversation.begun);
      const turn = prefix === '' ? messages : [...messages, { role: 'assistant', content: prefix }];
      const tokens = await this.#makeRoom(turn, 0);
      await this.#evaluate(conversation.with(turn), signal);
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
      checkConstraint(options);
      const { messages, prefix } = readPrompt(input, conversation.begun);
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
    if (tokens > 0) await this.#evaluate(conversation.with([]), this.#destruction.signal);
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
      checkConstraint(options);
      const { conversation } = this.#parts;
      const prompt = readPrompt(input, conversation.begun);
      const { messages, tokens } = await this.#rounds(prompt, signal, onText);
      conversation.turns.push(messages);
      conversation.tokens = tokens;
    });
  }

  /** The answer, with the tools that it takes: all messages of the turn, and the tokens of the conversation after it. */
  async #rounds(
    { messages: asked, prefix }: ReadPrompt,
    signal: AbortSignal,
    onText: (text: string) => void,
  ): Promise<{ messages: ChatMessage[]; tokens: number }> {
    const messages = [...asked];
    for (let round = 0; round <= MAX_ROUNDS; round++) {
      const begun = round === 0 ? prefix : '';
      const { text, calls, tokens } = await this.#round(messages, begun, signal, onText);
      if (calls.length === 0) {
        messages.push({ role: 'assistant', content: begun + text });
        return { messages, tokens };
      }
      messages.push(...(await runCalls(begun + text, calls, this.#parts.tools)));
      signal.throwIfAborted();
    }
    const message = `The model has called tools ${MAX_ROUNDS} times in a row, without an answer.`;
    throw new DOMException(message, 'UnknownError');
  }

  /** One generation behind `messages` and the beginning of the answer. */
  async #round(
    messages: readonly ChatMessage[],
    begun: string,
    signal: AbortSignal,
    onText: (text: string) => void,
  ): Promise<{ text: string; calls: FoundCall[]; tokens: number }> {
    const { engine, conversation, tools } = this.#parts;
    const begunIds = begun === '' ? [] : await engine.tokenize(begun);
    await this.#makeRoom(messages, begunIds.length);
    const all = conversation.with(messages);
    const prompt: Prompt =
      begun === '' ? all : { tokenIds: [...(await conversation.promptIds(all)), ...begunIds] };
    const format = tools.length > 0 ? engine.info.toolCalls : undefined;
    const names = tools.map(({ name }) => name);
    const parser = format && toolCallParser(format, names);
    const calls: FoundCall[] = [];
    let text = '';
    const take = (piece: { text: string; calls: FoundCall[] }): void => {
      calls.push(...piece.calls);
      text += piece.text;
      if (piece.text !== '') onText(piece.text);
    };
    const last = await this.#generate(prompt, {}, signal, (chunk) =>
      take(parser?.push(chunk.text) ?? { text: chunk.text, calls: [] }),
    );
    if (parser) take(parser.flush());
    const { promptTokens, completionTokens } = last.usage!;
    return { text, calls, tokens: promptTokens + completionTokens };
  }

  /** Evaluates `messages` ahead of an answer, so that it begins sooner and a clone has them. */
  async #evaluate(messages: ChatMessage[], signal: AbortSignal): Promise<void> {
    try {
      await this.#generate(messages, { maxTokens: 0 }, signal, () => {});
    } catch (error) {
      // A template may take only what ends with a question: then there is nothing to evaluate yet.
      if (!(error instanceof TernionError) || error.code !== 'template-failed') throw error;
    }
  }

  /** Reads a generation to its end, and gives its last chunk. Rejects with the reason of `signal`, if that has fired. */
  async #generate(
    prompt: Prompt,
    options: { maxTokens?: number },
    signal: AbortSignal,
    onChunk: (chunk: GenerateChunk) => void,
  ): Promise<GenerateChunk> {
    const { session, conversation, sampling, seed } = this.#parts;
    const { temperature, topK } = sampling;
    const { templateOptions } = conversation;
    const chunks = session.generate(prompt, { ...options, temperature, topK, seed, signal, templateOptions });
    let last: GenerateChunk | undefined;
    const reader = chunks.getReader();
    try {
      for (;;) {
        const { done, value: chunk } = await reader.read();
        if (done) break;
        if (chunk.finishReason === 'abort') {
          signal.throwIfAborted();
          throw new TernionError('disposed', 'The engine was disposed amid an answer.');
        }
        this.#parts.onChunk?.(chunk, this);
        onChunk(chunk);
        last = chunk;
      }
    } finally {
      // A callback of the caller's that throws ends the generation. One that has ended is not cancelled any more.
      await reader.cancel().catch(() => {});
    }
    if (!last) throw new TernionError('internal', 'An answer ended without its last chunk.');
    return last;
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

/** Throws `TypeError` for a wish about a constraint that is not there, and refuses one that is. */
function checkConstraint({
  responseConstraint,
  omitResponseConstraintInput = false,
}: LanguageModelPromptOptions): void {
  if (responseConstraint !== undefined && responseConstraint !== null) refuseShape('responseConstraint');
  if (omitResponseConstraintInput)
    throw new TypeError('omitResponseConstraintInput is for a responseConstraint.');
}
