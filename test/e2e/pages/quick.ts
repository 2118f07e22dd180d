// Starts the worker whose kernels compile soon.

export function createQuick(): Worker {
  return new Worker(new URL('./quick.worker.ts', import.meta.url), { type: 'module' });
}
