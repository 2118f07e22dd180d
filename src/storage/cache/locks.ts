// Locks between the tabs of an origin.

import { abortedBy } from '../../errors';

/** Named locks: many may hold one `shared`, or one alone `exclusive`. They end with the tab that holds them. */
export interface Locks {
  /** Waits for a lock; resolves to what gives it back. Rejects with `aborted` when the signal fires before. */
  acquire(name: string, mode: LockMode, signal?: AbortSignal): Promise<() => void>;
  /** Takes a lock if it is free now; undefined if it is not. */
  tryAcquire(name: string, mode: LockMode): Promise<(() => void) | undefined>;
}

/** The Web Locks of this browser; undefined where it has none. */
export function webLocks(): Locks | undefined {
  const locks = globalThis.navigator?.locks;
  if (!locks) return undefined;
  return {
    acquire: (name, mode, signal) =>
      new Promise((resolve, reject) => {
        const held = locks.request(name, { mode, ...(signal && { signal }) }, () => untilReleased(resolve));
        held.catch((error: Error) => reject(signal?.aborted ? abortedBy(signal) : error));
      }),
    tryAcquire: (name, mode) =>
      new Promise((resolve, reject) => {
        const held = locks.request(name, { mode, ifAvailable: true }, (lock) =>
          lock ? untilReleased(resolve) : resolve(undefined),
        );
        held.catch(reject);
      }),
  };
}

/** A lock is held for as long as this promise is pending. `onHeld` is given the function that ends that. */
function untilReleased(onHeld: (release: () => void) => void): Promise<void> {
  return new Promise((release) => onHeld(release));
}
