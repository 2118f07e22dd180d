// What an engine on a page asks of its way to a worker, be that always the same one or one after the other.

import type { Remote } from 'comlink';
import type { EmbedOptions, ModelInfo, SharingInfo } from '../engine/types';
import type { ConversationData } from '../engine/conversation';
import type { ModelOptions } from '../plan/load-options';
import type { ModelSource } from '../storage/sources/model-source';
import type { Outcome, StatusReport, StreamTransport, WorkerApi } from '../worker/protocol';

/** A worker, as whoever has work for it sees it. */
export interface LinkedWorker {
  /** Fires when the worker is lost, or the link to it closed. */
  readonly over: AbortSignal;
  /** Calls the worker; its failures are thrown, and its loss. */
  call<T>(run: (api: Remote<WorkerApi>) => Promise<Outcome<T>>): Promise<T>;
  /** Has the worker embed `texts`. */
  embed(texts: string | readonly string[], options?: EmbedOptions): Promise<Float32Array[]>;
  /** Waits for `work`; rejects with `worker-lost` if the worker is lost meanwhile, or was before. */
  untilOver<T>(work: Promise<T>): Promise<T>;
  /** A number that no other request of this worker has. */
  nextNumber(): number;
  /** Ends the request of that number. Nothing happens if it has ended, or the worker has. */
  abort(request: number): void;
}

/** The way to the worker that has the engine. */
export interface EngineLink {
  /** Fires when nothing can be asked of the engine any more; the reason is the error that says why. */
  readonly over: AbortSignal;
  readonly sharing: SharingInfo;
  /**
   * Does `work` with the worker. Where another worker takes its place meanwhile, it is done again with that one: what `work`
   * has to know of its first try, it notes itself. In the time between the two, `signal` ends it with `aborted`; while there
   * is a worker, that is up to `work`.
   */
  use<T>(work: (worker: LinkedWorker) => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** A number that no other session has. */
  nextNumber(): number;
  /**
   * Has the model at `source`, which can be sent, loaded. `onReport` is called whenever it leaves its device, and when it is
   * back on one.
   */
  load(
    source: ModelSource,
    options: ModelOptions,
    streamTransport: StreamTransport | undefined,
    onReport: (report: StatusReport) => void,
  ): Promise<ModelInfo>;
  /** Notes what a worker that takes over has to know of that session. */
  remember(session: number, memory: ConversationData): void;
  /** That session is no more. */
  forget(session: number): void;
  /** Ends what this page has in the worker, and resolves when that has ended. Calls that wait for their answers get them. */
  dispose(): Promise<void>;
  /** Ends everything. What is pending rejects. */
  close(): void;
}
