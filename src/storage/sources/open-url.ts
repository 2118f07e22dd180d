// Opens a URL: from the cache or the storage that sites share if it is there whole, else as a download, which goes into the cache
// if there is one.

import { TernionError } from '../../errors';
import { keyOf, NoCache, type Cache } from '../cache/cache';
import { openFromCache } from './from-cache';
import { openShared } from './from-shared';
import { openIntoCache } from './into-cache';
import type { OpenedFile } from './opened-file';
import type { UrlRequest } from './url-request';
import { openUncached } from './without-cache';

/** Opens a file on a server. Rejects with `download-failed`, `invalid-argument` or `aborted`. */
export async function openUrl(request: UrlRequest, cache: Cache | NoCache): Promise<OpenedFile> {
  if (cache instanceof NoCache) return (await openShared(request)) ?? openUncached(request, cache);
  const key = await keyOf(request.target.url);
  try {
    return (await openFromCache(request, cache, key)) ?? (await openIntoCache(request, cache, key));
  } catch (error) {
    // What the network refused is refused; but a cache that does not work can be done without.
    if (error instanceof TernionError) throw error;
    return openUncached(request, new NoCache(`the cache failed: ${(error as Error).message}`));
  }
}
