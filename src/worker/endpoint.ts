// The worker's side: owns the GPU and the engine, and answers the page's calls.

import { expose, transfer, type Remote } from 'comlink';
import { EngineHost } from '../engine/engine-host';
import { TernionError } from '../errors';
import type { ModelPlan } from '../plan/plan-model';
import type { ConversationData } from '../engine/conversation';
import type { FittedPrompt } from '../engine/fit-prompt';
import type { HostedSession } from '../engine/session';
import type {
  ChatMessage,
  DetokenizeOptions,
  GenerateChunk,
  PlainGenerateOptions,
  ModelInfo,
  ProfileOptions,
  StepProfile,
  TokenizeOptions,
} from '../engine/types';
import type { CloneableOptions, EngineStatus, LoadProgress } from '../plan/load-options';
import { webLocks } from '../storage/cache/locks';
import type { ModelSource } from '../storage/sources/model-source';
import { tabEnvironment, type TabEnvironment } from '../tabs/environment';
import { openLobby } from '../tabs/lobby';
import { framesOf, serveFrames } from './frames';
import {
  outcomeOf,
  toFailure,
  valueOf,
  type FrameChannel,
  type GrammarThreads,
  type Greeting,
  type Outcome,
  type PartSource,
  type RemoteEmbedOptions,
  type RemoteGenerateOptions,
  type RemoteLoadOptions,
  type RemotePrompt,
  type RewindTo,
  type SessionState,
  type StatusReport,
  type WorkerApi,
} from './protocol';
import type { ScriptParts } from './script-parts';
import { SharedEngine, SoleTenancy, type HostedEngine, type Tenancy } from './tenancy';
import { threadsOfPage } from './threads-of-page';

/** What an endpoint serves, and to whom. */
export interface EndpointOptions {
  engine?: HostedEngine;
  /** How it has the engine. Default: for itself. */
  tenancy?: Tenancy;
  /** Serves a page of another tab. */
  elsewhere?: boolean;
  /** The parts of the script that runs here. Default: it is whole. */
  parts?: ScriptParts;
}

/** One engine and its sessions. Sessions are numbered by the page and made at their first use. */
export class WorkerEndpoint implements WorkerApi {
  readonly #engine: HostedEngine;
  #tenancy: Tenancy;
  /** The engine, once this endpoint's page serves it to other tabs. */
  #shared: SharedEngine | undefined;
  readonly #elsewhere: boolean;
  readonly #parts: ScriptParts | undefined;
  #transfersStreams = false;
  readonly #sessions = new Map<number, HostedSession>();
  readonly #requests = new Map<number, AbortController>();
  /** Whether the page has left. */
  #left = false;

  constructor({ engine = new EngineHost(), tenancy, elsewhere = false, parts }: EndpointOptions = {}) {
    this.#parts = parts;
    this.#engine = engine;
    this.#tenancy = tenancy ?? new SoleTenancy(engine);
    this.#elsewhere = elsewhere;
  }

  hello(lockName: string): Promise<Outcome<Greeting>> {
    return outcomeOf(async () => {
      // Never given back: the browser does that when the worker is no more, however it ended.
      const held = await webLocks()
        ?.acquire(lockName, 'exclusive')
        .catch(() => undefined);
      return { holdsLock: held !== undefined, loadsParts: (await this.#parts?.canLoad()) ?? true };
    });
  }

  ping(): Outcome<void> {
    return { value: undefined };
  }

  takeParts(parts: PartSource): Outcome<void> {
    const source = parts as Remote<PartSource>;
    if (this.#parts) this.#parts.fetch = async (name) => valueOf(await source.load(name));
    return { value: undefined };
  }

  takeGrammarThreads(threads: GrammarThreads): Outcome<void> {
    // What Comlink has made of it: its calls go to the page.
    this.#engine.useGrammarThreads(threadsOfPage(threads as Remote<GrammarThreads>));
    return { value: undefined };
  }

  load(
    request: number,
    source: ModelSource,
    { streamTransport, ...options }: RemoteLoadOptions,
    onProgress: (progress: LoadProgress) => void,
    onStatus: (report: StatusReport) => void,
  ): Promise<Outcome<ModelInfo>> {
    const report = (status: EngineStatus): void => onStatus({ status, info: this.#info });
    return outcomeOf(async () => {
      await this.#abortable(request, (signal) =>
        this.#tenancy.load(source, { ...options, signal, onProgress, onStatus: report }),
      );
      this.#transfersStreams = !this.#elsewhere && streamTransport !== 'message-port' && canTransferStreams();
      return this.#info;
    });
  }

  plan(request: number, source: ModelSource, options: CloneableOptions): Promise<Outcome<ModelPlan>> {
    return outcomeOf(async () => {
      const { planLocal } = await import('../plan/plan-model');
      return this.#abortable(request, (signal) => planLocal(source, { ...options, signal }));
    });
  }

  abort(request: number): void {
    this.#requests.get(request)?.abort();
  }

  tokenize(input: string | readonly ChatMessage[], options?: TokenizeOptions): Promise<Outcome<number[]>> {
    return outcomeOf(() => this.#engine.tokenize(input, options));
  }

  detokenize(ids: ArrayLike<number>, options?: DetokenizeOptions): Promise<Outcome<string>> {
    return outcomeOf(() => this.#engine.detokenize(ids, options));
  }

  async embed(
    request: number,
    texts: string | readonly string[],
    options: RemoteEmbedOptions,
  ): Promise<Outcome<Float32Array[]>> {
    this.#tenancy.wake();
    const outcome = await outcomeOf(() =>
      this.#abortable(request, (signal) => this.#engine.embed(texts, { ...options, signal })),
    );
    if (!('value' in outcome)) return outcome;
    return transfer(
      outcome,
      outcome.value.map(({ buffer }) => buffer),
    );
  }

  async nextLogits(ids: ArrayLike<number>): Promise<Outcome<Float32Array>> {
    this.#tenancy.wake();
    const outcome = await outcomeOf(() => this.#engine.nextLogits(ids));
    return 'value' in outcome ? transfer(outcome, [outcome.value.buffer]) : outcome;
  }

  profile(options?: ProfileOptions): Promise<Outcome<StepProfile | undefined>> {
    this.#tenancy.wake();
    return outcomeOf(() => this.#engine.profile(options));
  }

  generate(
    request: number,
    id: number,
    what: RemotePrompt,
    options: RemoteGenerateOptions,
  ): Outcome<FrameChannel> {
    try {
      const session = this.#session(id);
      this.#tenancy.wake();
      const signal = this.#begin(request);
      const begun = new PromptReport(this.#tenancy.shared);
      const frames = framesOf(answerOf(session, what, { ...options, signal }, begun.hear), {
        state: () => this.#state(session),
        prompt: begun.take,
        onEnd: () => this.#requests.delete(request),
      });
      if (this.#transfersStreams) return transfer({ value: { stream: frames } }, [frames]);
      const { port1, port2 } = new MessageChannel();
      serveFrames(frames, port1);
      return transfer({ value: { port: port2 } }, [port2]);
    } catch (error) {
      return { failure: toFailure(error) };
    }
  }

  forkSession(id: number, copy: number): Promise<Outcome<SessionState>> {
    this.#tenancy.wake();
    return outcomeOf(async () => this.#added(copy, await this.#session(id).fork()));
  }

  rewindSession(id: number, to: RewindTo): Promise<Outcome<SessionState>> {
    return outcomeOf(async () => {
      const session = this.#session(id);
      await session.rewind(to);
      return this.#state(session);
    });
  }

  saveSession(id: number): Promise<Outcome<Blob>> {
    this.#tenancy.wake();
    return outcomeOf(() => this.#session(id).save());
  }

  restoreSession(id: number, blob: Blob): Promise<Outcome<SessionState>> {
    this.#tenancy.wake();
    return outcomeOf(async () => this.#added(id, await this.#engine.restoreSession(blob)));
  }

  suspend(): Promise<Outcome<ModelInfo>> {
    return outcomeOf(async () => {
      await this.#tenancy.suspend();
      return this.#info;
    });
  }

  resume(): Promise<Outcome<ModelInfo>> {
    return outcomeOf(async () => {
      await this.#tenancy.resume();
      return this.#info;
    });
  }

  disposeSession(id: number): Promise<Outcome<void>> {
    // It stays in the list, so that whoever uses it later hears that it was disposed.
    return outcomeOf(() => this.#session(id).dispose());
  }

  dispose(): Promise<Outcome<void>> {
    return outcomeOf(() => this.leave());
  }

  share(lobby: string): Promise<Outcome<void>> {
    return outcomeOf(async () => {
      const tabs = await tabEnvironment();
      if (typeof tabs === 'string') throw new TernionError('internal', `The worker cannot share. ${tabs}`);
      await this.shareWith(tabs, lobby);
    });
  }

  /** As `share`, with other means than the browser's. */
  async shareWith(tabs: TabEnvironment, lobby: string): Promise<void> {
    const shared = new SharedEngine(this.#engine);
    this.#shared = shared;
    this.#tenancy = shared.join();
    await openLobby(tabs, lobby, shared.closing, ({ port, gone }) => {
      const options = { engine: this.#engine, tenancy: shared.join(), elsewhere: true };
      const endpoint = new WorkerEndpoint(options);
      expose(endpoint, port);
      gone.addEventListener('abort', () => void endpoint.leave());
    });
  }

  unused(): Promise<Outcome<void>> {
    return outcomeOf(() => this.#shared?.vacant);
  }

  fingerprint(): Outcome<string> {
    try {
      return { value: this.#engine.fingerprint };
    } catch (error) {
      return { failure: toFailure(error) };
    }
  }

  remember(id: number, memory: ConversationData): Outcome<void> {
    try {
      return { value: this.#session(id).remember(memory) };
    } catch (error) {
      return { failure: toFailure(error) };
    }
  }

  /** Its page is gone, or will not use it any more: ends all that it had. */
  async leave(): Promise<void> {
    this.#left = true;
    if (this.#tenancy.shared) {
      const disposals = [...this.#sessions.values()].map((session) => session.dispose());
      for (const request of this.#requests.values()) request.abort();
      await Promise.all(disposals);
    }
    await this.#tenancy.leave();
    this.#sessions.clear();
  }

  get #info(): ModelInfo {
    const { info } = this.#engine;
    const here = this.#transfersStreams ? 'transferred' : 'message-port';
    return {
      ...info,
      codePaths: { ...info.codePaths, stream: this.#elsewhere ? 'broadcast-channel' : here },
    };
  }

  /** Runs a request that the page can abort until it ends. */
  async #abortable<T>(request: number, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await run(this.#begin(request));
    } finally {
      this.#requests.delete(request);
    }
  }

  /** The signal of a request that the page can abort. */
  #begin(request: number): AbortSignal {
    const controller = new AbortController();
    this.#requests.set(request, controller);
    return controller.signal;
  }

  #session(id: number): HostedSession {
    let session = this.#sessions.get(id);
    if (!session) {
      session = this.#engine.createSession();
      this.#sessions.set(id, session);
    }
    return session;
  }

  /** A session that was not made by its first use; rejects with `disposed` if its page has left meanwhile. */
  async #added(id: number, session: HostedSession): Promise<SessionState> {
    if (this.#left) {
      await session.dispose();
      throw new TernionError('disposed', 'The engine was disposed.');
    }
    this.#sessions.set(id, session);
    return this.#state(session);
  }

  #state({ tokenIds, messages, memory }: HostedSession): SessionState {
    const { sequence, marks } = this.#tenancy.shared ? memory : { sequence: [], marks: [] };
    const { gpuBytes } = this.#engine.info;
    return { tokenIds: [...tokenIds], messages: [...messages], sequence, marks, gpuBytes };
  }
}

/** Keeps an answer's prompt from when it is known until it is reported, if somebody might have to go on with the answer. */
class PromptReport {
  #prompt: FittedPrompt | undefined;
  readonly hear: ((prompt: FittedPrompt) => void) | undefined;

  constructor(isWanted: boolean) {
    if (isWanted) this.hear = (prompt) => void (this.#prompt = prompt);
  }

  /** The prompt, once. */
  readonly take = (): FittedPrompt | undefined => {
    const prompt = this.#prompt;
    this.#prompt = undefined;
    return prompt;
  };
}

function answerOf(
  session: HostedSession,
  what: RemotePrompt,
  options: PlainGenerateOptions,
  onPrompt: ((prompt: FittedPrompt) => void) | undefined,
): ReadableStream<GenerateChunk> {
  if ('send' in what) return session.send(what.send, options, onPrompt);
  if ('prompt' in what) return session.generate(what.prompt, options, onPrompt);
  return session.goOn(what.begun, options);
}

/** Safari, to date, throws a DataCloneError. */
function canTransferStreams(): boolean {
  const stream = new ReadableStream();
  try {
    structuredClone(stream, { transfer: [stream] });
    return true;
  } catch {
    return false;
  }
}
