// The page's side of loading: starts the worker and hands back an engine that speaks to it.

import { throwIfAborted } from '../errors';
import { browserGpu } from '../gpu/capabilities';
import type { ModelOptions } from '../plan/load-options';
import type { ModelSource } from '../storage/sources/model-source';
import type { StreamTransport } from '../worker/protocol';
import { GrammarWorkers } from './grammar-workers';
import { RemoteEngine } from './remote-engine';
import { sendableSource } from './sendable';
import type { SharedLink } from './shared-link';
import { hiddenMs } from './suspend-when-hidden';
import { WorkerLink, type LinkOptions } from './worker-link';

/** How to load a model, and in which worker. */
export interface LoadOptions extends ModelOptions {
  /**
   * Makes the worker. Default: one whose code is part of this module, started from a blob URL, under Trusted Types by the
   * policy `ternion`. A page whose Content-Security-Policy forbids that can serve `ternion/worker` itself and start it here
   * as a module worker.
   */
  createWorker?: () => Worker;
  /**
   * Makes the worker that compiles grammars, for answers of a given shape; it is started by the first of them. Default: as for
   * `createWorker`. A page that forbids that can serve `ternion/grammar` itself and start it here as a module worker.
   */
  createGrammarWorker?: () => Worker;
  /** How chunks come from the worker. Default `auto`; `message-port` forces what browsers without transferable streams use. */
  streamTransport?: StreamTransport;
  /**
   * Suspend the engine (see `Engine.suspend`) once the page was hidden for so many milliseconds with nothing under way; true:
   * for a minute. It comes back with the first call that needs it. Default false.
   */
  suspendWhenHidden?: boolean | number;
  /**
   * Have one engine for all tabs of the origin that load this model in this way: the model is on the GPU once, in a worker of
   * one of them, and another tab takes it over, with the answers under way, when that one is gone. For models at addresses.
   * Default false. `engine.info.sharing` says whether it is so.
   */
  shared?: boolean;
}

/** Loads the model at `source` in a Web Worker. Rejects with a `TernionError`. */
export async function loadRemote(source: ModelSource, options: LoadOptions = {}): Promise<RemoteEngine> {
  throwIfAborted(options.signal);
  // Where the page has no WebGPU, neither has its worker: say so without starting one.
  browserGpu();
  const { streamTransport } = options;
  const suspendAfterMs = hiddenMs(options.suspendWhenHidden);
  const sent = await sendableSource(source, options);
  const shared = options.shared ? await sharedLink(sent, options) : undefined;
  const link =
    typeof shared === 'object'
      ? shared
      : await startWorker(options, { signal: options.signal, notSharedBecause: shared });
  try {
    return await RemoteEngine.load(link, sent, options, { streamTransport, suspendAfterMs });
  } catch (error) {
    link.close();
    throw error;
  }
}

/** The way to the engine that all tabs share, whose code only those load that want it; why there is none if there cannot be. */
async function sharedLink(sent: ModelSource, options: LoadOptions): Promise<SharedLink | string> {
  const { openSharedLink } = await import('./open-shared-link');
  return openSharedLink(sent, options, (signal) => startWorker(options, { signal }));
}

/** Starts a worker that has an engine, and what it needs of its page. */
function startWorker(
  { createWorker, createGrammarWorker }: LoadOptions,
  how: LinkOptions,
): Promise<WorkerLink> {
  const grammarWorkers = new GrammarWorkers(createGrammarWorker);
  return WorkerLink.start('ternion', { ...how, createWorker, grammarWorkers });
}
