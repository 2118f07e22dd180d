// The worker's side: owns the GPU and the engine, and answers the page's calls.

import { transfer } from 'comlink';
import { EngineHost } from '../engine/engine-host';
import { planLocal, type ModelPlan } from '../plan/plan-model';
import type { LocalSession } from '../engine/session';
import type {
  ChatMessage,
  DetokenizeOptions,
  ModelInfo,
  ProfileOptions,
  StepProfile,
  TokenizeOptions,
} from '../engine/types';
import type { CloneableOptions, EngineStatus, LoadProgress } from '../plan/load-options';
import { webLocks } from '../storage/cache/locks';
import type { ModelSource } from '../storage/sources/model-source';
import { framesOf, serveFrames } from './frames';
import {
  outcomeOf,
  toFailure,
  type FrameChannel,
  type Greeting,
  type Outcome,
  type RemoteEmbedOptions,
  type RemoteGenerateOptions,
  type RemoteLoadOptions,
  type RemotePrompt,
  type RewindTo,
  type SessionState,
  type StatusReport,
  type WorkerApi,
} from './protocol';

/** One engine and its sessions. Sessions are numbered by the page and made at their first use. */
export class WorkerEndpoint implements WorkerApi {
  readonly #engine = new EngineHost();
  #transfersStreams = false;
  readonly #sessions = new Map<number, LocalSession>();
  readonly #requests = new Map<number, AbortController>();

  hello(lockName: string): Promise<Outcome<Greeting>> {
    return outcomeOf(async () => {
      // Never given back: the browser does that when the worker is no more, however it ended.
      const held = await webLocks()
        ?.acquire(lockName, 'exclusive')
        .catch(() => undefined);
      return { holdsLock: held !== undefined };
    });
  }

  ping(): Outcome<void> {
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
        this.#engine.load(source, { ...options, signal, onProgress, onStatus: report }),
      );
      this.#transfersStreams = streamTransport !== 'message-port' && canTransferStreams();
      return this.#info;
    });
  }

  plan(request: number, source: ModelSource, options: CloneableOptions): Promise<Outcome<ModelPlan>> {
    return outcomeOf(() => this.#abortable(request, (signal) => planLocal(source, { ...options, signal })));
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
    const outcome = await outcomeOf(() => this.#engine.nextLogits(ids));
    return 'value' in outcome ? transfer(outcome, [outcome.value.buffer]) : outcome;
  }

  profile(options?: ProfileOptions): Promise<Outcome<StepProfile | undefined>> {
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
      const signal = this.#begin(request);
      const chunks =
        'send' in what
          ? session.send(what.send, { ...options, signal })
          : session.generate(what.prompt, { ...options, signal });
      const frames = framesOf(
        chunks,
        () => this.#state(session),
        () => this.#requests.delete(request),
      );
      if (this.#transfersStreams) return transfer({ value: { stream: frames } }, [frames]);
      const { port1, port2 } = new MessageChannel();
      serveFrames(frames, port1);
      return transfer({ value: { port: port2 } }, [port2]);
    } catch (error) {
      return { failure: toFailure(error) };
    }
  }

  forkSession(id: number, copy: number): Promise<Outcome<SessionState>> {
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
    return outcomeOf(() => this.#session(id).save());
  }

  restoreSession(id: number, blob: Blob): Promise<Outcome<SessionState>> {
    return outcomeOf(async () => this.#added(id, await this.#engine.restoreSession(blob)));
  }

  suspend(): Promise<Outcome<ModelInfo>> {
    return outcomeOf(async () => {
      await this.#engine.suspend();
      return this.#info;
    });
  }

  resume(): Promise<Outcome<ModelInfo>> {
    return outcomeOf(async () => {
      await this.#engine.resume();
      return this.#info;
    });
  }

  disposeSession(id: number): Promise<Outcome<void>> {
    // It stays in the list, so that whoever uses it later hears that it was disposed.
    return outcomeOf(() => this.#session(id).dispose());
  }

  dispose(): Promise<Outcome<void>> {
    return outcomeOf(async () => {
      await this.#engine.dispose();
      this.#sessions.clear();
    });
  }

  get #info(): ModelInfo {
    const { info } = this.#engine;
    const stream = this.#transfersStreams ? 'transferred' : 'message-port';
    return { ...info, codePaths: { ...info.codePaths, stream } };
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

  #session(id: number): LocalSession {
    let session = this.#sessions.get(id);
    if (!session) {
      session = this.#engine.createSession();
      this.#sessions.set(id, session);
    }
    return session;
  }

  /** A session that was not made by its first use. */
  #added(id: number, session: LocalSession): SessionState {
    this.#sessions.set(id, session);
    return this.#state(session);
  }

  #state({ tokenIds, messages }: LocalSession): SessionState {
    return { tokenIds: [...tokenIds], messages: [...messages], gpuBytes: this.#engine.info.gpuBytes };
  }
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
