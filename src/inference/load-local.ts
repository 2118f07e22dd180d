// Loading without a worker: a source and a device become an engine in this thread.

import { browserGpu, probeCapabilities, requestDevice } from '../gpu/capabilities';
import { GpuContext } from '../gpu/context';
import type { TuningRecords } from '../gpu/tuner';
import { jsonFile } from '../storage/json-file';
import { filesAtHand } from '../storage/model-files';
import { openSource, type ModelSource } from '../storage/open-source';
import { LocalEngine, type EngineOptions } from './engine';

/** How to load a model into this thread. */
export interface LocalLoadOptions extends EngineOptions {
  /**
   * The device to use, for example one of the `webgpu` package under Node. It stays the caller's: `dispose` frees what
   * the engine made on it. Default: a device of the browser's own, which goes with the engine.
   */
  device?: GPUDevice | undefined;
}

/** Loads the model at `source`. Rejects with a `TernionError`; nothing is left on the GPU then. */
export async function loadLocal(source: ModelSource, options: LocalLoadOptions = {}): Promise<LocalEngine> {
  const { signal, onProgress } = options;
  const device = options.device ?? (await requestDevice(browserGpu()));
  const release = (): void => {
    if (!options.device) device.destroy();
  };
  try {
    const bytes = await openSource(source, signal, (loaded, total) =>
      onProgress?.({ phase: 'download', loaded, total }),
    );
    const gpu = new GpuContext(device, await probeCapabilities(device));
    const tuningStore = options.tuningStore ?? jsonFile<TuningRecords>('ternion-tuning.json');
    return await LocalEngine.load(
      gpu,
      filesAtHand([{ name: '', bytes }]),
      { ...options, tuningStore },
      release,
    );
  } catch (error) {
    release();
    throw error;
  }
}
