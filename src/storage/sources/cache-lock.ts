// Waits for another tab to be done with a cached file, and shows that tab's progress meanwhile.

import { lockName, type Cache } from '../cache/cache';
import { hearProgress } from '../cache/progress-channel';
import type { FileProgress } from './progress';
import type { UrlRequest } from './url-request';

/**
 * Takes the lock of the file that is cached under `key`; resolves to what gives it back. Undefined if another tab has it
 * and the request does not wait. Rejects with `aborted`.
 */
export async function lockFile(
  { waits, progress, signal }: UrlRequest,
  { locks }: Cache,
  key: string,
  mode: LockMode,
): Promise<(() => void) | undefined> {
  if (!waits) return locks.tryAcquire(lockName(key), mode);
  let waiting: FileProgress | undefined;
  const stopHearing = hearProgress(key, (state) => {
    waiting ??= progress.file(0, 0);
    waiting.set(state);
  });
  try {
    return await locks.acquire(lockName(key), mode, signal);
  } finally {
    stopHearing();
    waiting?.remove();
  }
}
