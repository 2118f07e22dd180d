// Offers storage to the tests: files are read in a worker, as models are; the cache is looked after from the page.
import {
  deleteModel,
  listModels,
  loadModel,
  persist,
  storageUsage,
  type TernionError,
} from '../../../src/index';
import { createQuick } from './quick';
import type { StorageTask, StorageResult } from './storage.worker';

/** Starts a worker on `task`; resolves to what it read, or to the code of what went wrong. */
function read(task: StorageTask): Promise<StorageResult> {
  const worker = new Worker(new URL('./storage.worker.ts', import.meta.url), { type: 'module' });
  return new Promise((resolve) => {
    worker.onmessage = ({ data }) => {
      worker.terminate();
      resolve(data as StorageResult);
    };
    worker.postMessage(task);
  });
}

Object.assign(globalThis, {
  read,
  begin: (task: StorageTask) => void read(task),
  listModels,
  deleteModel: (model: string) => deleteModel(model),
  persist,
  storageUsage,
  /** Loads a model with an engine, by its address or from a response; where its bytes came from, or what went wrong. */
  async load(url: string, by: 'address' | 'response' = 'address', sha256?: string) {
    try {
      const engine = await loadModel(by === 'response' ? await fetch(url) : url, {
        sha256,
        createWorker: createQuick,
      });
      const { source } = engine.info;
      await engine.dispose();
      return source;
    } catch (error) {
      return { code: (error as TernionError).code };
    }
  },
});
