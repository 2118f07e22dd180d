// The page of smoke.test.ts: the same small computation on the page's own device and on a worker's.
import { runDot4I8Packed } from '../../support/dot4i8';
import { requestPlainDevice } from './device';

async function inPage(): Promise<number> {
  return runDot4I8Packed(await requestPlainDevice());
}

async function inWorker(): Promise<number> {
  const worker = new Worker(new URL('./smoke.worker.ts', import.meta.url), { type: 'module' });
  try {
    return await new Promise<number>((resolve, reject) => {
      worker.addEventListener('message', ({ data }: MessageEvent<number>) => resolve(data));
      worker.addEventListener('error', ({ message }) => reject(new Error(message)));
    });
  } finally {
    worker.terminate();
  }
}

Object.assign(globalThis, { inPage, inWorker });
