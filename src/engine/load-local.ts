// From a source to an engine, in this thread: a device, and files that are open on it. Knows no kernel: what computes is loaded meanwhile,
// and so is a part of the worker's script that pages which only plan do without.

import { untilAborted } from '../errors';
import type { DeviceSupply } from '../gpu/device-supply';
import type { PhaseProgress } from '../plan/load-options';
import { LoadMeter } from '../plan/load-progress';
import type { ModelSource } from '../storage/sources/model-source';
import { keepStreaming } from '../storage/sources/spool';
import type { LocalEngine } from './engine';
import { ModelOrigin, type DeviceLoadOptions, type OnDownload } from './model-origin';

/**
 * Loads the model at `source` onto a device of `devices`, which stay the caller's. Rejects with a `TernionError`; nothing is
 * left on the GPU then.
 */
export async function loadLocal(
  source: ModelSource,
  devices: DeviceSupply,
  options: DeviceLoadOptions = {},
): Promise<LocalEngine> {
  const { signal, onProgress } = options;
  const computing = import('./model-loader');
  // Where it fails, that is heard when it is needed.
  computing.catch(() => {});
  const meter = new LoadMeter();
  const onPhase = (progress: PhaseProgress): void => onProgress?.(meter.next(progress));
  const onDownload: OnDownload = (progress) => onPhase({ phase: 'download', ...progress });
  const kept = await keepStreaming(source, onDownload, signal);
  const origin = new ModelOrigin(kept, devices, options);
  const opening = await origin.open(signal, onDownload);
  try {
    await untilAborted(computing, signal);
  } catch (error) {
    // The model may be a good one: what the cache has of it stays.
    await opening.opened.close();
    throw error;
  }
  const { ModelLoader } = await computing;
  return new ModelLoader(origin, options).loadEngine(opening, onPhase);
}
