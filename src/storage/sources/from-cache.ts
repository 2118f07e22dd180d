// Opens a URL whose file is whole in the cache.

import type { Cache } from '../cache/cache';
import { CachedFile } from '../cache/cached-file';
import { readEntry } from '../cache/entries';
import { isComplete } from '../cache/journal';
import { lockFile } from './cache-lock';
import type { OpenedFile } from './opened-file';
import { PieceFile } from './piece-file';
import { PieceSource } from './piece-source';
import { hashFor, hasChanged, type UrlRequest } from './url-request';

/**
 * The file if the cache has all of it and the server has no other; undefined if not, or if another tab has it and the
 * request does not wait. Several tabs may read it at once.
 */
export async function openFromCache(
  request: UrlRequest,
  cache: Cache,
  key: string,
): Promise<OpenedFile | undefined> {
  const release = await lockFile(request, cache, key, 'shared');
  if (!release) return undefined;
  let file: OpenedFile | undefined;
  try {
    file = await openLocked(request, cache, key, release);
    return file;
  } finally {
    // The file gives the lock back when it is closed.
    if (!file) release();
  }
}

async function openLocked(
  request: UrlRequest,
  cache: Cache,
  key: string,
  release: () => void,
): Promise<OpenedFile | undefined> {
  const entry = await readEntry(cache.folder, key);
  if (!entry || !isComplete(entry) || (await hasChanged(request, entry))) return undefined;
  const { size } = entry;
  const hash = await hashFor(request, entry);
  const disk = await CachedFile.openForReading(cache.folder, key, entry);
  if (!disk) return undefined;
  request.progress.file(size, size).done();
  const source = new PieceSource({ size, policy: request.network.policy, disk, hash });
  return new PieceFile(source, { cache, key, disk, entry, release });
}
