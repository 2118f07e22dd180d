// Offers storage to the tests: files are read in a worker, as models are; the cache is looked after from the page.
import { deleteModel, listModels, loadModel, persist, storageUsage } from '../../../src/index';
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
  /** Loads a model with an engine; where its bytes came from. */
  async load(url: string) {
    const engine = await loadModel(url);
    const { source } = engine.info;
    await engine.dispose();
    return source;
  },
});
