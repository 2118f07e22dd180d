// Opens a file of the cache that is to be downloaded into it, if there is room and it can be written.

import { NoCache, notWritable } from './cache';
import type { CacheFolder } from './cache-folder';
import { CachedFile } from './cached-file';
import { bytesOf, type CacheEntry, type CacheHeader } from './journal';

/**
 * Opens the file under `key`, with the pieces that `entry` has (none, without it); or says why it cannot be kept. Rejects
 * where the browser does not say how much room there is.
 */
export async function openForDownload(
  folder: CacheFolder,
  key: string,
  header: CacheHeader,
  entry: CacheEntry | undefined,
): Promise<CachedFile | NoCache> {
  const needed = header.size - bytesOf(entry);
  const free = await folder.freeBytes();
  if (needed > free) return noRoom(needed, free);
  try {
    return await CachedFile.openForWriting(folder, key, header, entry);
  } catch (error) {
    return notWritable(error);
  }
}

function noRoom(needed: number, free: number): NoCache {
  const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
  return new NoCache(
    `the file takes ${megabytes(needed)} of storage and the browser has ${megabytes(Math.max(0, free))} free`,
  );
}
