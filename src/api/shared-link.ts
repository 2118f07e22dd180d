// A page's way to the engine that all tabs share: to a worker of its own if it leads, to that of the tab that leads if not, and
// to the next one when a tab that led is gone.

import { TernionError, abortedBy, throwIfAborted } from '../errors';
import type { ModelInfo, SharingInfo } from '../engine/types';
import type { ConversationData } from '../engine/conversation';
import type { EngineStatus, ModelOptions } from '../plan/load-options';
import type { ModelSource } from '../storage/sources/model-source';
import type { TabEnvironment } from '../tabs/environment';
import { Lobby, leadership, type Leader } from '../tabs/lobby';
import type { StatusReport, StreamTransport } from '../worker/protocol';
import type { EngineLink, LinkedWorker } from './engine-link';
import { Handover } from './handover';
import { WorkerLink, type LinkOptions } from './worker-link';

/** Longest wait for a leader, once the last one is gone, ms. A worker has to start, and may have to be downloaded. */
const LEADER_MS = 60_000;

/** Workers of this tab that may be lost, each soon after it began, before the tab does not lead any more. */
const MOST_LOSSES = 3;

/** A worker that has lived for so long is none that ends at once, ms. */
const LONG_MS = 60_000;

/** Longest wait for a worker to end what this page had in it, before it is ended itself, ms. */
const LEAVE_MS = 10_000;

/** What a shared link needs of its surroundings. */
export interface SharedLinkOptions extends Pick<LinkOptions, 'heartbeat'> {
  tabs: TabEnvironment;
  /** What those who share the engine have in common. */
  lobby: string;
  /** Starts a worker. */
  startWorker: (signal: AbortSignal) => Promise<WorkerLink>;
  /** Longest wait for a leader, ms. */
  leaderMs?: number;
}

/** How the model is loaded, by whoever loads it first. */
interface Load {
  source: ModelSource;
  options: ModelOptions;
  streamTransport: StreamTransport | undefined;
  onReport: (report: StatusReport) => void;
}

/** A worker that has the engine. */
interface Place {
  worker: WorkerLink;
  /** Of a worker of this page: gives the leadership back. */
  resign: (() => void) | undefined;
  /** When it was found, by `performance.now`. */
  since: number;
}

/** A way to the shared engine. Owns a worker while it leads. */
export class SharedLink implements EngineLink {
  readonly #over = new AbortController();
  /** Fires when this page leaves, which may be before all is over. */
  readonly #leaving = new AbortController();
  readonly #handover = new Handover(this.#over.signal);
  readonly #lobby: Lobby;
  /** Held for as long as this page is here. */
  readonly #tabLock = `ternion tab ${crypto.randomUUID()}`;
  #releaseTabLock = (): void => {};
  /** The leadership, once it is this tab's turn. */
  #turn: Promise<() => void> | undefined;
  #place: Place | undefined;
  #losses = 0;
  #counter = 0;
  /** Of the model that was loaded first. */
  #fingerprint: string | undefined;
  #info: ModelInfo | undefined;

  constructor(private readonly options: SharedLinkOptions) {
    this.#lobby = new Lobby(options.tabs, options.lobby);
  }

  get over(): AbortSignal {
    return this.#over.signal;
  }

  get sharing(): SharingInfo {
    return { shared: true, here: this.#place?.resign !== undefined };
  }

  nextNumber(): number {
    return this.#counter++;
  }

  use<T>(work: (worker: LinkedWorker) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#handover.use(work, signal);
  }

  remember(session: number, memory: ConversationData): void {
    this.#handover.remember(session, memory);
  }

  forget(session: number): void {
    this.#handover.forget(session);
  }

  /** Joins those who share the engine, which has it load the model unless it has. From then on this link keeps a worker. */
  async load(
    source: ModelSource,
    options: ModelOptions,
    streamTransport: StreamTransport | undefined,
    onReport: (report: StatusReport) => void,
  ): Promise<ModelInfo> {
    const { signal } = options;
    throwIfAborted(signal);
    const onAbort = (): void => this.#leaving.abort(abortedBy(signal!));
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      this.#releaseTabLock = await this.options.tabs.locks.acquire(this.#tabLock, 'exclusive');
      const place = await this.#join({ source, options, streamTransport, onReport });
      void this.#keep(place, {
        // Nobody asked for these loads: they are not aborted, and nobody hears how far they are.
        source,
        options: { ...options, ...placedAs(this.#info!), signal: undefined, onProgress: undefined },
        streamTransport,
        onReport,
      });
      return this.#info!;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  async dispose(): Promise<void> {
    const worker = this.#place?.worker;
    this.#leave();
    try {
      await worker?.dispose();
    } catch (error) {
      // With the worker, all that this page had in it is gone.
      if (!worker?.over.aborted) throw error;
    }
  }

  close(): void {
    this.#leave();
    this.#end(gone());
    const place = this.#place;
    this.#place = undefined;
    if (place?.resign) void this.#serveOn(place.worker, place.resign);
    else {
      place?.worker.close();
      // It may have become this tab's turn to lead just now: others wait for it.
      this.#turn?.then(
        (resign) => resign(),
        () => {},
      );
    }
    this.#releaseTabLock();
    this.#releaseTabLock = () => {};
    this.#lobby.close();
  }

  /** Comes to a worker that has the model; tries again where that one is lost meanwhile. */
  async #join(load: Load): Promise<Place> {
    for (;;) {
      const place = await this.#findPlace();
      const { worker } = place;
      // So that `close` finds it, whatever becomes of the load. It has looked for one before, if this page left meanwhile.
      this.#place = place;
      if (this.over.aborted) this.close();
      try {
        const { source, options, streamTransport, onReport } = load;
        const info = await worker.load(source, options, streamTransport, onReport);
        const fingerprint = await worker.call((api) => api.fingerprint());
        this.#fingerprint ??= fingerprint;
        if (fingerprint !== this.#fingerprint) throw changed();
        await this.#handover.to(worker);
        this.#info = info;
        return place;
      } catch (error) {
        if (!worker.over.aborted || this.#leaving.signal.aborted) throw error;
        this.#vacate(place);
      }
    }
  }

  /** From one worker to the next, until this page leaves or there is none. */
  async #keep(place: Place, load: Load): Promise<void> {
    try {
      for (let current = place; ;) {
        await this.#lost(current);
        if (this.#leaving.signal.aborted) return;
        this.#vacate(current);
        this.#report(load, 'recovering');
        current = await this.#join(load);
        this.#report(load, 'ready');
      }
    } catch (error) {
      if (this.#leaving.signal.aborted) return;
      this.#report(load, 'lost');
      this.#end(notTakenOver(error));
      this.close();
    }
  }

  /** Apart from what goes on here: what a listener of the page's throws is none of this link's failures. */
  #report({ onReport }: Load, status: EngineStatus): void {
    const info = status === 'ready' ? this.#info! : { ...this.#info!, gpuBytes: 0 };
    queueMicrotask(() => onReport({ status, info }));
  }

  /** Resolves when the worker is lost, or it is known to be, as this tab is to lead. */
  async #lost({ worker, resign }: Place): Promise<void> {
    const lost = fired(worker.over);
    await (resign ? lost : Promise.race([lost, this.#candidacy(), fired(this.#leaving.signal)]));
  }

  /** Leaves a worker that is lost. */
  #vacate({ worker, resign, since }: Place): void {
    this.#place = undefined;
    worker.close();
    if (!resign) return;
    this.#losses = performance.now() - since < LONG_MS ? this.#losses + 1 : 1;
    this.#turn = undefined;
    resign();
  }

  /** A worker to load from: this page's own if it is its turn to lead. */
  async #findPlace(): Promise<Place> {
    const waiting = new AbortController();
    const timer = setTimeout(() => waiting.abort(noLeader()), this.options.leaderMs ?? LEADER_MS);
    const ending = AbortSignal.any([waiting.signal, this.#leaving.signal]);
    try {
      for (;;) {
        ending.throwIfAborted();
        const elected = this.#candidacy().then((resign) => ({ resign }));
        const found = await Promise.race([elected, this.#lobby.leader(ending)]);
        if ('resign' in found) return await this.#lead(found.resign);
        const worker = await this.#follow(found, ending);
        if (worker) return { worker, resign: undefined, since: performance.now() };
      }
    } finally {
      clearTimeout(timer);
      waiting.abort(noLeader());
    }
  }

  /** This tab's turn to lead. */
  #candidacy(): Promise<() => void> {
    const { tabs, lobby } = this.options;
    if (!this.#turn) {
      this.#turn = tabs.locks.acquire(leadership(lobby), 'exclusive', this.#leaving.signal);
      // Whoever waits for it hears of a failure; mostly nobody does.
      this.#turn.catch(() => {});
    }
    return this.#turn;
  }

  async #lead(resign: () => void): Promise<Place> {
    let worker: WorkerLink | undefined;
    try {
      if (this.#losses >= MOST_LOSSES)
        throw new TernionError('worker-lost', 'Its workers end, again and again.');
      worker = await this.options.startWorker(this.#leaving.signal);
      await worker.call((api) => api.share(this.options.lobby));
      return { worker, resign, since: performance.now() };
    } catch (error) {
      worker?.close();
      this.#turn = undefined;
      resign();
      throw error;
    }
  }

  /** The worker of `leader`, whose end is noticed; undefined if that is gone by then. */
  async #follow({ lock }: Leader, ending: AbortSignal): Promise<WorkerLink | undefined> {
    const { tabs, heartbeat } = this.options;
    const leaderGone = new AbortController();
    const closed = new AbortController();
    tabs.locks.acquire(lock, 'shared', closed.signal).then(
      (release) => {
        release();
        leaderGone.abort(gone());
      },
      () => {},
    );
    const signal = AbortSignal.any([leaderGone.signal, ending]);
    try {
      const tunnel = await this.#lobby.connect({ lock }, this.#tabLock, signal);
      const end = (): void => {
        closed.abort();
        tunnel.close();
      };
      const worker = await WorkerLink.join(tunnel.port, end, { signal, heartbeat });
      leaderGone.signal.addEventListener('abort', () => worker.close(), { once: true });
      return worker;
    } catch (error) {
      closed.abort();
      if (ending.aborted || !leaderGone.signal.aborted) throw error;
      return undefined;
    }
  }

  /** Goes on serving the other tabs, without being one of those who are served; ends the worker when nobody uses it. */
  async #serveOn(worker: WorkerLink, resign: () => void): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tooLong = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(gone()), LEAVE_MS);
    });
    try {
      await Promise.race([worker.dispose(), tooLong]);
      await worker.call((api) => api.unused());
    } catch {
      // It is lost, or does not answer: it is of no use to the others either.
    } finally {
      clearTimeout(timer);
      worker.close();
      resign();
    }
  }

  #leave(): void {
    if (!this.#leaving.signal.aborted) this.#leaving.abort(gone());
    this.#handover.leave();
  }

  #end(error: TernionError): void {
    if (!this.#over.signal.aborted) this.#over.abort(error);
  }
}

/** What was decided for the model when it was loaded first: it is the same wherever it goes. */
function placedAs({ contextLength, codePaths }: ModelInfo): Pick<ModelOptions, 'contextLength' | 'kvCache'> {
  return { contextLength, kvCache: codePaths.kvCache === 'int8' ? 'int8' : 'f16' };
}

async function fired(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function gone(): TernionError {
  return new TernionError('disposed', 'The engine was disposed.');
}

function noLeader(): TernionError {
  return new TernionError('worker-lost', 'No tab has taken the engine over; load the model again.');
}

function changed(): TernionError {
  return new TernionError('corrupt-file', 'The source has changed: it is not the model that was loaded.');
}

function notTakenOver(cause: unknown): TernionError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `The tab that had the engine is gone, and it could not be taken over; load the model again. ${why}`;
  return new TernionError('worker-lost', message, { cause });
}
