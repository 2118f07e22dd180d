// How tabs tell each other about a download: the one that does it sends, the ones that wait for it listen.

import { lockName } from './cache';

/** How far a download is, in bytes. `total` is that of the whole file. */
export interface SharedProgress {
  loaded: number;
  total: number;
}

const SEND_MS = 200;

/** Tells other tabs how far the download of `key` is. */
export class ProgressSender {
  readonly #channel: BroadcastChannel | undefined;
  #last = -Infinity;

  constructor(key: string) {
    this.#channel = openChannel(key);
  }

  send(progress: SharedProgress): void {
    const now = performance.now();
    if (now - this.#last < SEND_MS) return;
    this.#last = now;
    this.#channel?.postMessage(progress);
  }

  close(): void {
    this.#channel?.close();
  }
}

/** Calls `onProgress` with how far the download of `key` in another tab is, until the returned function is called. */
export function hearProgress(key: string, onProgress: (progress: SharedProgress) => void): () => void {
  const channel = openChannel(key);
  if (channel) channel.onmessage = ({ data }) => onProgress(data as SharedProgress);
  return () => channel?.close();
}

function openChannel(key: string): BroadcastChannel | undefined {
  return typeof BroadcastChannel === 'function' ? new BroadcastChannel(lockName(key)) : undefined;
}
