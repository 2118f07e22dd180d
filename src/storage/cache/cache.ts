// The cache of downloaded files, shared by all tabs of an origin.

import type { CacheFolder } from './cache-folder';
import type { Locks } from './locks';

/** Where files are kept, and the locks that keep tabs from each other. */
export interface Cache {
  folder: CacheFolder;
  locks: Locks;
}

/** The name under which the file at `url` is cached: 32 hexadecimal digits. */
export async function keyOf(url: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(url));
  return [...new Uint8Array(digest, 0, 16)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The lock of a cached file: shared to read it once it is complete, exclusive to add to it or delete it. */
export function lockName(key: string): string {
  return `ternion-model:${key}`;
}

/** How far the tab is that downloads a file; it tells the others. */
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

/** Hears how far the download of `key` in another tab is, until the returned function is called. */
export function hearProgress(key: string, onProgress: (progress: SharedProgress) => void): () => void {
  const channel = openChannel(key);
  if (channel) channel.onmessage = ({ data }) => onProgress(data as SharedProgress);
  return () => channel?.close();
}

function openChannel(key: string): BroadcastChannel | undefined {
  return typeof BroadcastChannel === 'function' ? new BroadcastChannel(lockName(key)) : undefined;
}
