// From a source to an engine on a device, in this thread.

import { probeCapabilities } from '../gpu/capabilities';
import { GpuContext } from '../gpu/context';
import { shaderLog } from '../gpu/shader-log';
import type { TuningRecords } from '../gpu/tuner';
import type { LocalLoadOptions } from '../plan/load-options';
import { defaultMemoryBudget } from '../plan/memory-budget';
import { jsonFile } from '../storage/cache/json-file';
import type { ModelSource, OpenedSource } from '../storage/sources/model-source';
import { openSource } from '../storage/sources/open-source';
import { LocalEngine } from './engine';

/** What is left to say about a load when there is a device. */
export type DeviceLoadOptions = Omit<LocalLoadOptions, 'device'>;

/**
 * Loads the model at `source` onto `device`, which stays the caller's. Rejects with a `TernionError`; nothing is left on
 * the GPU then.
 */
export async function loadLocal(
  source: ModelSource,
  device: GPUDevice,
  options: DeviceLoadOptions = {},
): Promise<LocalEngine> {
  const { onProgress } = options;
  const opened = await openSource(source, {
    ...options,
    onProgress: (progress) => onProgress?.({ phase: 'download', ...progress }),
  });
  try {
    const engine = await loadOpened(opened, device, options);
    await opened.close();
    return engine;
  } catch (error) {
    await opened.close(error);
    throw error;
  }
}

/** Loads from open files. The engine is handed out only when their bytes are known to be the right ones. */
async function loadOpened(
  opened: OpenedSource,
  device: GPUDevice,
  options: DeviceLoadOptions,
): Promise<LocalEngine> {
  const gpu = new GpuContext(device, await probeCapabilities(device), shaderLog(options.debug));
  const engine = await LocalEngine.load(gpu, opened.files, {
    ...options,
    memoryBudget: options.memoryBudget ?? defaultMemoryBudget(),
    tuningStore: options.tuningStore ?? jsonFile<TuningRecords>('ternion-tuning.json'),
  });
  try {
    await opened.finish(options.signal);
    engine.source = opened.info;
    return engine;
  } catch (error) {
    await engine.dispose();
    throw error;
  }
}
