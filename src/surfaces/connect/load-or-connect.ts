// A model that runs here if it can, and on a server if not.

import type { LoadOptions } from '../../api/load-model';
import { argument } from '../../boundary/read';
import type { Engine } from '../../engine/types';
import { TernionError, type TernionErrorCode } from '../../errors';
import type { ModelSource } from '../../storage/sources/model-source';
import { connect, connectOptions } from './connect';
import type { ConnectedEngine, ConnectOptions } from './types';

/** Where the model runs. */
export type Placed =
  | { place: 'local'; engine: Engine; reason: undefined }
  | {
      place: 'server';
      engine: ConnectedEngine;
      /** Why it does not run here. */
      reason: TernionError;
    };

/** What says that a model does not run on this device, though another may run it. */
const NOT_HERE: ReadonlySet<TernionErrorCode> = new Set<TernionErrorCode>([
  'webgpu-unavailable',
  'unsupported-architecture',
  'unsupported-tensor-type',
  'unsupported-tokenizer',
  'unsupported-feature',
  'out-of-memory',
  'device-lost',
  'worker-lost',
  'worker-unavailable',
  'kernel-check-failed',
]);

/**
 * Loads the model at `source` in a Web Worker where there is WebGPU and the model fits, which is found out from its headers
 * before any tensor is read; else connects to `server`. Any other failure is thrown: a file that is damaged, a download that
 * failed, an argument that cannot be used, an abort.
 */
export async function loadOrConnect(
  source: ModelSource,
  server: ConnectOptions,
  options?: LoadOptions,
): Promise<Placed> {
  // Now, and not only on the devices that need the server.
  const read = argument(connectOptions, server, 'server');
  try {
    // The engine is fetched only by those who want it.
    const { loadModel } = await import('../../boundary/page');
    return { place: 'local', engine: await loadModel(source, options), reason: undefined };
  } catch (error) {
    if (!(error instanceof TernionError) || !NOT_HERE.has(error.code)) throw error;
    const signal = read.signal ?? options?.signal;
    return { place: 'server', engine: await connect({ ...read, signal }), reason: error };
  }
}
