// The cache of downloaded files, shared by all tabs of an origin.

import { hexOf } from '../hashing/hex';
import type { CacheFolder } from './cache-folder';
import type { Locks } from './locks';

/** Where files are kept, and the locks that keep tabs from each other. */
export interface Cache {
  folder: CacheFolder;
  locks: Locks;
}

/** Stands where a cache would be, or a file's place in it, and says why there is none. */
export class NoCache {
  /** `reason` goes on from "the model is not cached:", for example `the storage of this site is full`. */
  constructor(readonly reason: string) {}
}

/** What it means that a file could not be written because of `error`. */
export function notWritable(error: unknown): NoCache {
  const { name, message } = error as Error;
  if (name === 'QuotaExceededError') return new NoCache('the storage of this site is full');
  return new NoCache(`the cache could not be written: ${message}`);
}

/** The name under which the file at `url` is cached: 32 hexadecimal digits. */
export async function keyOf(url: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(url));
  return hexOf(new Uint8Array(digest, 0, 16));
}

/** The lock of a cached file: shared to read it once it is complete, exclusive to add to it or delete it. */
export function lockName(key: string): string {
  return `ternion-model:${key}`;
}
