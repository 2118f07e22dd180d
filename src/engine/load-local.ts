// Loading without a worker: a source and a device become an engine in this thread.

import { browserGpu, probeCapabilities, requestDevice } from '../gpu/capabilities';
import { GpuContext } from '../gpu/context';
import type { TuningRecords } from '../gpu/tuner';
import { jsonFile } from '../storage/cache/json-file';
import type { ModelSource, OpenedSource, SourceOptions } from '../storage/sources/model-source';
import { openSource } from '../storage/sources/open-source';
import { LocalEngine, type EngineOptions } from './engine';
import { defaultMemoryBudget } from '../plan/memory-budget';

/** How to load a model into this thread. */
export interface LocalLoadOptions extends EngineOptions, SourceOptions {
  /**
   * The device to use, for example one of the `webgpu` package under Node. It stays the caller's: `dispose` frees what
   * the engine made on it. Default: a device of the browser's own, which goes with the engine.
   */
  device?: GPUDevice | undefined;
}

/** Loads the model at `source`. Rejects with a `TernionError`; nothing is left on the GPU then. */
export async function loadLocal(source: ModelSource, options: LocalLoadOptions = {}): Promise<LocalEngine> {
  const { onProgress } = options;
  const device = options.device ?? (await requestDevice(browserGpu()));
  const release = (): void => {
    if (!options.device) device.destroy();
  };
  let model: OpenedSource | undefined;
  try {
    model = await openSource(source, {
      ...options,
      onProgress: (progress) => onProgress?.({ phase: 'download', ...progress }),
    });
    const memoryBudget = options.memoryBudget ?? defaultMemoryBudget();
    const engine = await loadOpened(device, model, { ...options, memoryBudget }, release);
    await model.close();
    return engine;
  } catch (error) {
    await model?.close(error);
    release();
    throw error;
  }
}

/** Loads from open files. The engine is handed out only when their bytes are known to be the right ones. */
async function loadOpened(
  device: GPUDevice,
  model: OpenedSource,
  options: LocalLoadOptions,
  release: () => void,
): Promise<LocalEngine> {
  const gpu = new GpuContext(device, await probeCapabilities(device));
  const tuningStore = options.tuningStore ?? jsonFile<TuningRecords>('ternion-tuning.json');
  const engine = await LocalEngine.load(gpu, model.files, { ...options, tuningStore }, release);
  try {
    await model.finish(options.signal);
    engine.source = model.info;
    return engine;
  } catch (error) {
    await engine.dispose();
    throw error;
  }
}
