// The page's way to a worker: starts it, calls it, notices when it is gone, and ends it.

import { proxy, releaseProxy, wrap, type Endpoint, type Remote } from 'comlink';
import { TernionError, throwIfAborted, untilAborted, untilFired } from '../errors';
import type { EmbedOptions, ModelInfo, SharingInfo } from '../engine/types';
import type { CloneableOptions, LoadProgress, ModelOptions } from '../plan/load-options';
import type { ModelPlan } from '../plan/plan-model';
import { webLocks } from '../storage/cache/locks';
import { ViolationWatch } from '../storage/http/violations';
import type { ModelSource } from '../storage/sources/model-source';
import {
  outcomeOf,
  valueOf,
  type Outcome,
  type PartSource,
  type StatusReport,
  type StreamTransport,
  type WorkerApi,
} from '../worker/protocol';
import type { EngineLink, LinkedWorker } from './engine-link';
import type { GrammarWorkers } from './grammar-workers';
import { Heartbeat, type HeartbeatOptions } from './heartbeat';
import { sendableOptions } from './sendable';
import { concernsWorkers, ENGINE_WORKER, notStarted } from './start-failures';
import { WorkerScript } from './worker-script';

/** A worker that has not answered its first call by then is none of ours, ms. Its script may have to be downloaded first. */
const GREETING_MS = 30_000;

/** Time that a worker has to clean up after a call that was aborted, before it is ended, ms. */
const CLEAN_UP_MS = 2000;

/** How to start a worker. */
export interface LinkOptions {
  /** Makes the worker where a page has its own way to. */
  createWorker?: (() => Worker) | undefined;
  /** The page's threads for grammars, which the worker may use, and which end with it. */
  grammarWorkers?: GrammarWorkers | undefined;
  /** Ends the start, and the worker with it. */
  signal?: AbortSignal | undefined;
  /** Longest wait for the worker's first answer, ms. */
  greetingMs?: number;
  /** How patient to be with a worker that cannot take a Web Lock, or may be frozen. */
  heartbeat?: HeartbeatOptions;
  /** Why the worker serves this page alone, where it was to serve all tabs. */
  notSharedBecause?: string | undefined;
}

/** Where a worker is heard and spoken to. */
interface Connection {
  endpoint: Endpoint;
  /** Tells of a script that fails, by `error` events, where that can be heard. */
  script?: Pick<Worker, 'addEventListener' | 'removeEventListener'>;
  /** Ends the connection, and with it the worker if that is this page's. */
  end(): void;
}

/** A worker and the calls to it. Owns the worker, if it is this page's: `close` ends it. */
export class WorkerLink implements EngineLink, LinkedWorker {
  readonly sharing: SharingInfo;
  readonly #api: Remote<WorkerApi>;
  /** Fires when nothing can be asked of the worker any more; the reason is the error that says why. */
  readonly #over = new AbortController();
  #heartbeat: Heartbeat | undefined;
  private readonly heartbeat: HeartbeatOptions | undefined;
  #grammarWorkers: GrammarWorkers | undefined;
  #loadsParts = true;
  /** What the worker still does for a call that was aborted. */
  #cleaningUp: Promise<unknown> | undefined;
  #counter = 0;
  #closed = false;

  private constructor(
    private readonly connection: Connection,
    { heartbeat, notSharedBecause }: LinkOptions,
  ) {
    this.heartbeat = heartbeat;
    this.sharing = { shared: false, ...(notSharedBecause !== undefined && { reason: notSharedBecause }) };
    this.#api = wrap<WorkerApi>(connection.endpoint);
  }

  /**
   * Speaks to a worker of another tab, which answers at `endpoint`. Rejects with `worker-lost` if it does not say hello, and
   * with `aborted`. `end` is called when the link is closed, or was not made.
   */
  static async join(
    endpoint: Endpoint,
    end: () => void,
    { signal, greetingMs = GREETING_MS, ...options }: LinkOptions = {},
  ): Promise<WorkerLink> {
    const link = new WorkerLink({ endpoint, end }, options);
    try {
      await untilAborted(link.#greet(greetingMs), signal);
      // A tab that is frozen keeps its locks: only its silence shows.
      link.#listen();
      return link;
    } catch (error) {
      link.close();
      throw error;
    }
  }

  /** Starts a worker. Rejects with `worker-unavailable` if it does not say hello, and with `aborted`. */
  static async start(
    name: string,
    { createWorker, grammarWorkers, signal, greetingMs = GREETING_MS, ...options }: LinkOptions = {},
  ): Promise<WorkerLink> {
    const watch = new ViolationWatch(concernsWorkers);
    const script = new WorkerScript(() => import('../worker/main?script-url'), ENGINE_WORKER);
    let link: WorkerLink | undefined;
    try {
      const begin = async (worker: Worker): Promise<WorkerLink> => {
        const begun = new WorkerLink(
          { endpoint: worker, script: worker, end: () => worker.terminate() },
          options,
        );
        link = begun;
        await untilAborted(begun.#greet(greetingMs), signal);
        return begun;
      };
      let begun = await begin(createWorker?.() ?? (await script.start(name)));
      if (!createWorker && !begun.#loadsParts) {
        // The page's policy lets workers start from blobs, but not import from them.
        begun.close();
        begun = await begin(await script.start(name, true));
      }
      await begun.#giveParts(script);
      if (grammarWorkers) await begun.#giveGrammarThreads(grammarWorkers);
      return begun;
    } catch (error) {
      link?.close();
      // Without a link it is the error of the script's policy, which says what is wrong.
      if (signal?.aborted || (!link && error instanceof TernionError)) throw error;
      throw notStarted(ENGINE_WORKER, error, await watch.explanation());
    } finally {
      watch.stop();
      script.release();
    }
  }

  use<T>(work: (worker: WorkerLink) => Promise<T>): Promise<T> {
    return work(this);
  }

  /** Fires when the worker is lost, or the link closed. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /**
   * Calls the worker; its failures are thrown, and its loss. All that the page asks of the worker, but for `abort`, is asked
   * here.
   */
  async call<T>(run: (api: Remote<WorkerApi>) => Promise<Outcome<T>>): Promise<T> {
    if (this.over.aborted) throw this.over.reason;
    try {
      return valueOf(await this.untilOver(run(this.#api)));
    } catch (error) {
      if (error instanceof TernionError) throw error;
      throw new TernionError(
        'internal',
        'A call could not be sent to the worker, or was not understood there.',
        {
          cause: error,
        },
      );
    }
  }

  /** Waits for `work` of the worker's; rejects with `worker-lost` if it is lost meanwhile, or was before. */
  untilOver<T>(work: Promise<T>): Promise<T> {
    return untilFired(work, this.over, () => this.over.reason as TernionError);
  }

  /** There is no other worker that would have to know. */
  remember(): void {}
  forget(): void {}

  dispose(): Promise<void> {
    return this.call((api) => api.dispose());
  }

  /** A number that no other request or session of this worker has. */
  nextNumber(): number {
    return this.#counter++;
  }

  /** Ends the request of that number. Nothing happens if it has ended, or the worker has. */
  abort(request: number): void {
    if (!this.over.aborted) void this.#api.abort(request);
  }

  /**
   * Has the worker load the model at `source`, which can be sent. `onReport` is called whenever the model leaves its device,
   * and when it is back on one.
   */
  load(
    source: ModelSource,
    { signal, onProgress, ...options }: ModelOptions,
    streamTransport: StreamTransport | undefined,
    onReport: (report: StatusReport) => void,
  ): Promise<ModelInfo> {
    const sent = { ...sendableOptions(options), streamTransport };
    const onRemoteProgress = proxy((progress: LoadProgress) => {
      if (!signal?.aborted) onProgress?.(progress);
    });
    const onRemoteStatus = proxy(onReport);
    return this.#abortable(signal, (api, request) =>
      api.load(request, source, sent, onRemoteProgress, onRemoteStatus),
    );
  }

  /** Has the worker plan for the model at `source`, which can be sent. */
  plan(
    source: ModelSource,
    { signal, ...options }: CloneableOptions & Pick<ModelOptions, 'signal'>,
  ): Promise<ModelPlan> {
    const sent = sendableOptions(options);
    return this.#abortable(signal, (api, request) => api.plan(request, source, sent));
  }

  /** Has the worker embed `texts`. */
  embed(
    texts: string | readonly string[],
    { signal, ...options }: EmbedOptions = {},
  ): Promise<Float32Array[]> {
    return this.#abortable(signal, (api, request) => api.embed(request, texts, options));
  }

  /** Ends the worker, whatever it does; after an aborted call it has a moment to clean up. What is pending rejects. Nothing happens the second time. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#end(new TernionError('disposed', 'The worker was ended.'));
    const terminate = (): void => {
      this.#api[releaseProxy]();
      this.connection.end();
      this.#grammarWorkers?.close();
    };
    if (!this.#cleaningUp) return terminate();
    const timer = setTimeout(terminate, CLEAN_UP_MS);
    void this.#cleaningUp.then(() => {
      clearTimeout(timer);
      terminate();
      return undefined;
    });
  }

  async #giveParts(script: WorkerScript): Promise<void> {
    const parts: PartSource = { load: (name) => outcomeOf(() => script.part(name)) };
    await this.call((api) => api.takeParts(proxy(parts)));
  }

  async #giveGrammarThreads(workers: GrammarWorkers): Promise<void> {
    this.#grammarWorkers = workers;
    await this.call((api) => api.takeGrammarThreads(proxy(workers)));
  }

  /** Waits until the worker has said hello, and watches over it from then on. */
  async #greet(withinMs: number): Promise<void> {
    const lockName = `ternion worker ${crypto.randomUUID()}`;
    const onError = ({ message }: ErrorEvent): void => this.#end(lost(message || 'Its script failed.'));
    // Later errors are those of its calls, or of nobody's: a worker that throws one lives on.
    const { script } = this.connection;
    script?.addEventListener('error', onError);
    const timer = setTimeout(() => this.#end(lost(`It did not answer in ${withinMs} ms.`)), withinMs);
    try {
      const { holdsLock, loadsParts } = await this.call((api) => api.hello(lockName));
      this.#loadsParts = loadsParts;
      this.#watch(holdsLock ? lockName : undefined);
    } finally {
      clearTimeout(timer);
      script?.removeEventListener('error', onError);
    }
  }

  /** Waits for the lock that the worker holds for its life; without one, for silence. */
  #watch(lockName: string | undefined): void {
    const waiting = lockName ? webLocks()?.acquire(lockName, 'exclusive', this.over) : undefined;
    if (!waiting) return this.#listen();
    waiting.then(
      (release) => {
        release();
        this.#end(lost('It has ended.'));
      },
      () => this.#listen(),
    );
  }

  #listen(): void {
    if (this.over.aborted || this.#heartbeat) return;
    const ping = (): Promise<unknown> => this.call((api) => api.ping());
    const onSilence = (): void => this.#end(lost('It has not answered for long.'));
    this.#heartbeat = new Heartbeat(ping, onSilence, this.heartbeat);
  }

  /** From now on every call rejects with `error`, those that wait included. */
  #end(error: TernionError): void {
    this.#heartbeat?.stop();
    this.#over.abort(error);
  }

  /** A call that `signal` ends at once, whatever the worker does. */
  async #abortable<T>(
    signal: AbortSignal | undefined,
    run: (api: Remote<WorkerApi>, request: number) => Promise<Outcome<T>>,
  ): Promise<T> {
    throwIfAborted(signal);
    const request = this.nextNumber();
    let answer: Promise<unknown> | undefined;
    const onAbort = (): void => {
      this.abort(request);
      this.#cleaningUp = answer?.catch(() => {});
    };
    const call = this.call((api) => {
      const answering = run(api, request);
      answer = answering;
      return answering;
    });
    // Listening begins once the call is on its way, so that an abort never overtakes it.
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await untilAborted(call, signal);
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

/** The error of a worker that is gone. */
function lost(why: string): TernionError {
  return new TernionError('worker-lost', `The worker is gone; load the model again. ${why}`, {
    cause: new Error(why),
  });
}
