// The engine and the sessions that a page holds: the same interface as in the worker, call by call.

import type { Remote } from 'comlink';
import { chunkStream, type Outlet } from '../engine/chunk-stream';
import { Conversation, type ConversationData } from '../engine/conversation';
import type { AnswerPiece } from '../engine/answer';
import type { FittedPrompt } from '../engine/fit-prompt';
import { randomSeed } from '../engine/sampling';
import { wholeAnswer } from '../engine/whole-answer';
import { TernionError } from '../errors';
import type {
  Answer,
  ChatMessage,
  DetokenizeOptions,
  EmbedOptions,
  CoreEngine,
  CoreSession,
  GenerateChunk,
  PlainGenerateOptions,
  ModelInfo,
  ProfileOptions,
  Prompt,
  StepProfile,
  TokenizeOptions,
} from '../engine/types';
import type { ModelOptions } from '../plan/load-options';
import type { ModelSource } from '../storage/sources/model-source';
import { framesOfPort, framesOfStream } from '../worker/frames';
import {
  toError,
  type Outcome,
  type RemoteGenerateOptions,
  type RemotePrompt,
  type RewindTo,
  type SessionState,
  type StatusReport,
  type StreamTransport,
  type WorkerApi,
} from '../worker/protocol';
import { sendableSource } from './sendable';
import { RemoteAnswer } from './remote-answer';
import { SuspendWhenHidden } from './suspend-when-hidden';
import type { EngineLink, LinkedWorker } from './engine-link';

/** What of the options of a page concerns its side alone. */
export interface RemoteEngineOptions {
  streamTransport?: StreamTransport | undefined;
  /** How long the page may be hidden, with nothing under way, before the engine is suspended, ms. Undefined: for ever. */
  suspendAfterMs?: number | undefined;
}

/** An engine in a worker. */
export class RemoteEngine implements CoreEngine {
  #info: ModelInfo;
  /** Counts the models. A session belongs to one of them. */
  #model = 0;
  /** Whether the model of that number is there. */
  #ready = true;
  readonly #disposal = new AbortController();
  #disposed: Promise<void> | undefined;
  /** Answers that are under way. */
  readonly #running = new Set<Promise<void>>();
  /** Calls that are under way, answers not among them. */
  #calls = 0;
  readonly #hidden: SuspendWhenHidden | undefined;
  private readonly streamTransport: StreamTransport | undefined;

  private constructor(
    private readonly link: EngineLink,
    info: ModelInfo,
    { streamTransport, suspendAfterMs }: RemoteEngineOptions,
  ) {
    this.#info = info;
    this.streamTransport = streamTransport;
    // A worker of the page's that loads does not see whether the page is hidden.
    const isPage = typeof document !== 'undefined';
    if (isPage && suspendAfterMs !== undefined) this.#hidden = new SuspendWhenHidden(this, suspendAfterMs);
  }

  /** Has the worker load the model at `source`, which can be sent. The engine owns the link from then on. */
  static async load(
    link: EngineLink,
    source: ModelSource,
    options: ModelOptions,
    own: RemoteEngineOptions = {},
  ): Promise<RemoteEngine> {
    let hear: (report: StatusReport) => void = () => {};
    const info = await link.load(source, options, own.streamTransport, (report) => hear(report));
    const engine = new RemoteEngine(link, info, own);
    hear = (report) => engine.#hear(0, report, options);
    return engine;
  }

  async load(source: ModelSource, options: ModelOptions = {}): Promise<void> {
    this.#assertUsable();
    if (this.link.sharing.shared) {
      const message = 'Other tabs use this engine: it keeps its model. Load another model with loadModel.';
      throw new TernionError('unsupported-feature', message);
    }
    const sent = await sendableSource(source, options);
    this.#assertUsable();
    const model = ++this.#model;
    this.#gone();
    const onReport = (report: StatusReport): void => this.#hear(model, report, options);
    const info = await this.link.load(sent, options, this.streamTransport, onReport);
    // If yet another one was asked for meanwhile, this one goes at once.
    if (this.#update(model, info)) this.#ready = true;
  }

  get info(): ModelInfo {
    return { ...this.#info, sharing: this.link.sharing };
  }

  async tokenize(input: string | readonly ChatMessage[], options?: TokenizeOptions): Promise<number[]> {
    return this.call((api) => api.tokenize(input, options));
  }

  async detokenize(tokenIds: ArrayLike<number>, options?: DetokenizeOptions): Promise<string> {
    return this.call((api) => api.detokenize(tokenIds, options));
  }

  async embed(texts: string | readonly string[], options?: EmbedOptions): Promise<Float32Array[]> {
    this.#assertUsable();
    return this.#counted(this.link.use((worker) => worker.embed(texts, options), options?.signal));
  }

  async nextLogits(tokenIds: ArrayLike<number>): Promise<Float32Array> {
    return this.call((api) => api.nextLogits(tokenIds));
  }

  async profile(options?: ProfileOptions): Promise<StepProfile | undefined> {
    return this.call((api) => api.profile(options));
  }

  async suspend(): Promise<void> {
    this.#assertUsable();
    const model = this.#model;
    this.#update(model, await this.link.use((worker) => worker.call((api) => api.suspend())));
  }

  async resume(): Promise<void> {
    const model = this.#model;
    this.#update(model, await this.call((api) => api.resume()));
  }

  /** Whether the worker does something that this page waits for. */
  get busy(): boolean {
    return this.#running.size > 0 || this.#calls > 0;
  }

  createSession(messages?: readonly ChatMessage[]): RemoteSession {
    this.#assertUsable();
    if (!this.#ready) throw new TernionError('disposed', 'No model is loaded.');
    const model = this.#model;
    const isCurrent = (): boolean => model === this.#model && !this.#disposed;
    const onState = ({ gpuBytes }: SessionState): void => {
      if (isCurrent()) this.#info = { ...this.#info, gpuBytes };
    };
    return new RemoteSession({ engine: this, link: this.link, isCurrent, onState }, messages);
  }

  async restoreSession(blob: Blob): Promise<RemoteSession> {
    return this.createSession().from((api, id) => api.restoreSession(id, blob));
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Calls the worker; its failures are thrown. While there is no worker, `signal` ends the wait for one with `aborted`. */
  async call<T>(run: (api: Remote<WorkerApi>) => Promise<Outcome<T>>, signal?: AbortSignal): Promise<T> {
    this.#assertUsable();
    return this.#counted(this.link.use((worker) => worker.call(run), signal));
  }

  /** Fires when the engine is disposed of. */
  get disposal(): AbortSignal {
    return this.#disposal.signal;
  }

  /** Runs an answer; the worker is there until it has ended. */
  async run(answer: () => Promise<void>): Promise<void> {
    const running = answer();
    this.#running.add(running);
    this.#hidden?.check();
    try {
      await running;
    } finally {
      this.#running.delete(running);
      this.#hidden?.check();
    }
  }

  async #counted<T>(call: Promise<T>): Promise<T> {
    this.#calls++;
    this.#hidden?.check();
    try {
      return await call;
    } finally {
      this.#calls--;
      this.#hidden?.check();
    }
  }

  /** The worker says where the model of that number is. */
  #hear(model: number, { status, info }: StatusReport, { onStatus }: ModelOptions): void {
    if (this.#update(model, info)) onStatus?.(status);
  }

  /** Notes how the model of that number is now. False if it is not the engine's any more. */
  #update(model: number, info: ModelInfo): boolean {
    if (model !== this.#model || this.#disposed) return false;
    this.#info = info;
    return true;
  }

  /** The model that was here is being freed. */
  #gone(): void {
    this.#ready = false;
    this.#info = { ...this.#info, gpuBytes: 0 };
  }

  async #dispose(): Promise<void> {
    this.#hidden?.stop();
    this.#gone();
    this.#disposal.abort();
    try {
      await unlessLost(this.link.dispose());
      // What the worker still has for readers who may come back is fetched before it ends.
      await Promise.allSettled(this.#running);
    } finally {
      this.link.close();
    }
  }

  #assertUsable(): void {
    if (this.#disposed) throw new TernionError('disposed', 'The engine was disposed.');
  }
}

/** What the sessions of one model share. */
interface SessionContext {
  engine: RemoteEngine;
  link: EngineLink;
  /** Whether the model that the session was made for is still the engine's. */
  isCurrent: () => boolean;
  onState: (state: SessionState) => void;
}

/** A session in a worker. `tokenIds` and `messages` follow the worker's when a stream or another call ends. */
export class RemoteSession implements CoreSession {
  readonly #id: number;
  #state: SessionState = { tokenIds: [], messages: [], sequence: [], marks: [], gpuBytes: 0 };
  readonly #disposal = new AbortController();
  /** What was said before the session's first use, until its worker is told. */
  #start: ConversationData | undefined;

  /** A session in which `messages` were said so far. */
  constructor(
    private readonly context: SessionContext,
    messages: readonly ChatMessage[] = [],
  ) {
    this.#id = context.link.nextNumber();
    if (messages.length === 0) return;
    this.#state = { ...this.#state, messages };
    this.#start = { messages, sequence: [], marks: [] };
    context.link.remember(this.#id, this.#start);
  }

  get tokenIds(): readonly number[] {
    return this.#state.tokenIds;
  }

  get messages(): readonly ChatMessage[] {
    return this.#state.messages;
  }

  generate(prompt: Prompt, options?: PlainGenerateOptions): ReadableStream<GenerateChunk> {
    return this.#stream({ prompt }, options);
  }

  send(text: string, options?: PlainGenerateOptions): ReadableStream<GenerateChunk> {
    return this.#stream({ send: text }, options);
  }

  complete(prompt: Prompt, options?: PlainGenerateOptions): Promise<Answer> {
    return wholeAnswer(this.generate(prompt, options));
  }

  async fork(): Promise<RemoteSession> {
    const copy = new RemoteSession(this.context);
    copy.#update(await this.#call((api, id) => api.forkSession(id, copy.#id)));
    return copy;
  }

  async rewind(to: RewindTo): Promise<void> {
    await this.from((api, id) => api.rewindSession(id, to));
  }

  save(): Promise<Blob> {
    return this.#call((api, id) => api.saveSession(id));
  }

  /** This session as it stands after a call of the worker's, which knows it by its number. */
  async from(
    run: (api: Remote<WorkerApi>, id: number) => Promise<Outcome<SessionState>>,
  ): Promise<RemoteSession> {
    this.#update(await this.#call(run));
    return this;
  }

  async dispose(): Promise<void> {
    // With its model gone, so is the session.
    const { engine, link, isCurrent } = this.context;
    if (!isCurrent()) return;
    this.#disposal.abort();
    link.forget(this.#id);
    await unlessLost(engine.call((api) => api.disposeSession(this.#id)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #stream(
    what: RemotePrompt,
    { signal, ...options }: PlainGenerateOptions = {},
  ): ReadableStream<GenerateChunk> {
    const { engine, link } = this.context;
    const ends = [signal, this.#disposal.signal, engine.disposal, link.over].filter((each) => !!each);
    return chunkStream(
      (outlet, ending) => engine.run(() => this.#answer(what, options, outlet, ending)),
      ends,
    );
  }

  /** Has a worker answer, and the next one go on if that is lost and there is another. */
  async #answer(
    what: RemotePrompt,
    options: RemoteGenerateOptions,
    outlet: Outlet,
    ending: AbortSignal,
  ): Promise<void> {
    this.#assertUsable();
    const { link } = this.context;
    // Another worker has to draw with the seed that the first one drew with.
    const seed = link.sharing.shared ? { seed: options.seed ?? randomSeed() } : {};
    const answer = new RemoteAnswer(what, { ...options, ...seed }, outlet);
    try {
      await link.use((worker) => this.#read(worker, answer, ending), ending);
    } catch (error) {
      if (!ending.aborted || !(error instanceof TernionError) || error.code !== 'aborted') throw error;
      // It was ended while there was no worker.
      const { prompt, chunk } = answer.end();
      if (prompt) this.#keep(prompt, answer.given);
      outlet.put(chunk);
    }
  }

  /**
   * Has the worker answer, or go on with an answer, and gives what comes: one frame for each read, until `ending` fires. Then
   * the worker ends the answer, and what is still on its way is fetched to the end, so that this side knows what the session
   * is left with.
   */
  async #read(worker: LinkedWorker, answer: RemoteAnswer, ending: AbortSignal): Promise<void> {
    // The last worker may have been lost between the last chunk and the word that it was the last.
    if (answer.ended) return;
    const request = worker.nextNumber();
    const onEnding = (): void => worker.abort(request);
    const opening = worker.call((api) =>
      this.#told(api).generate(request, this.#id, answer.rest, answer.options),
    );
    // Listening begins once the call is on its way, so that an abort never overtakes it.
    if (ending.aborted) onEnding();
    ending.addEventListener('abort', onEnding, { once: true });
    try {
      const channel = await opening;
      const read = 'stream' in channel ? framesOfStream(channel.stream) : framesOfPort(channel.port);
      // A reader who was given the last chunk of another worker may not be back yet.
      if (answer.begun) await worker.untilOver(answer.outlet.wanted());
      for (;;) {
        const frame = await worker.untilOver(read());
        if (!frame) return;
        if ('failure' in frame) throw toError(frame.failure);
        if (frame.state) this.#update(frame.state);
        answer.give(frame);
        // Nothing but the end comes after the last chunk.
        if (!frame.chunk.finishReason) await worker.untilOver(answer.outlet.wanted());
      }
    } finally {
      ending.removeEventListener('abort', onEnding);
    }
  }

  async #call<T>(run: (api: Remote<WorkerApi>, id: number) => Promise<Outcome<T>>): Promise<T> {
    this.#assertUsable();
    const { signal } = this.#disposal;
    try {
      return await this.context.engine.call((api) => run(this.#told(api), this.#id), signal);
    } catch (error) {
      throw signal.aborted ? disposed() : error;
    }
  }

  /** Another worker would not know of a session that was disposed of in the one before. */
  #assertUsable(): void {
    if (!this.context.isCurrent() || this.#disposal.signal.aborted) throw disposed();
  }

  /**
   * The worker, which knows what was said before the session's first use: calls arrive in the order in which they are made. A worker
   * that takes over is told by the link.
   */
  #told(api: Remote<WorkerApi>): Remote<WorkerApi> {
    const start = this.#start;
    this.#start = undefined;
    // If it fails, so does the call that comes next.
    if (start) api.remember(this.#id, start).catch(() => {});
    return api;
  }

  #update(state: SessionState): void {
    this.#state = state;
    const { link, onState } = this.context;
    // No worker has to be told of a session that is disposed of.
    if (!this.#disposal.signal.aborted) link.remember(this.#id, state);
    onState(state);
  }

  /** Notes what the session is left with after an answer that no worker has ended. */
  #keep(prompt: FittedPrompt, given: AnswerPiece): void {
    const conversation = new Conversation(this.#state);
    conversation.keep(prompt, given);
    const { messages, sequence, marks } = conversation;
    this.#update({ ...this.#state, messages, sequence, marks });
  }
}

function disposed(): TernionError {
  return new TernionError('disposed', 'The session, or its model, was disposed.');
}

/** Waits for a disposal. With the worker, all that it held is gone, which is what was asked for. */
async function unlessLost(disposal: Promise<void>): Promise<void> {
  try {
    await disposal;
  } catch (error) {
    if (!(error instanceof TernionError) || error.code !== 'worker-lost') throw error;
  }
}
