// Opens a URL whose file is to be downloaded into the cache, from where an earlier download of it ended.

import { NoCache, type Cache } from '../cache/cache';
import { readEntry, removeEntry } from '../cache/entries';
import type { CacheEntry, CacheHeader } from '../cache/journal';
import { openForDownload } from '../cache/open-for-download';
import { openRemote, type FileAnswer, type StreamAnswer } from '../http/open-remote';
import { RemoteFile } from '../http/remote-file';
import { lockFile } from './cache-lock';
import { beginDownload } from './download';
import { openShared } from './from-shared';
import type { OpenedFile } from './opened-file';
import { PieceFile, type CachePlace } from './piece-file';
import { hashFor, hasChanged, type UrlRequest } from './url-request';
import { openUncached } from './without-cache';

/**
 * The file from the storage that sites share; or as far as the cache has it, and the rest from the server. Where it cannot be
 * kept, or another tab has it and the request does not wait, it is opened without the cache.
 */
export async function openIntoCache(request: UrlRequest, cache: Cache, key: string): Promise<OpenedFile> {
  const release = await lockFile(request, cache, key, 'exclusive');
  if (!release) {
    return (
      (await openShared(request)) ?? openUncached(request, new NoCache('another tab has the file in use'))
    );
  }
  let opened: PieceFile | NotKept | undefined;
  try {
    // Asked for with the lock: the tab that had it may have put the file there meanwhile.
    const shared = await openShared(request);
    if (shared) {
      // What an interrupted download has left only takes room now.
      await removeEntry(cache.folder, key);
      return shared;
    }
    opened = await openLocked(request, cache, key, release);
  } finally {
    // The file gives the lock back when it is closed.
    if (!(opened instanceof PieceFile)) release();
  }
  return opened instanceof PieceFile ? opened : openUncached(request, opened.reason, opened.answer);
}

/** A file that the server has, and why it cannot be kept. */
interface NotKept {
  answer: FileAnswer | StreamAnswer;
  reason: NoCache;
}

async function openLocked(
  request: UrlRequest,
  cache: Cache,
  key: string,
  release: () => void,
): Promise<PieceFile | NotKept> {
  const { network, target, signal } = request;
  let entry = await readEntry(cache.folder, key);
  if (entry && (await hasChanged(request, entry))) entry = undefined;
  const answer = entry ? resumed(request, entry) : await openRemote(network, target, signal);
  if (answer.kind === 'stream') return { answer, reason: NO_LENGTH };
  const hash = await hashFor(request, entry);
  const disk = await openForDownload(cache.folder, key, headerFor(request, answer.file), entry);
  if (disk instanceof NoCache) return { answer, reason: disk };
  return beginDownload(request, answer, hash, { cache, key, disk, entry, release, share: sharing(request) });
}

/** What puts a file where sites share it, if it may be there. */
function sharing({ shared, sha256 }: UrlRequest): CachePlace['share'] {
  if (!shared || sha256 === undefined) return undefined;
  return (file, signal) => shared.store(sha256, file, signal);
}

const NO_LENGTH = new NoCache('the server does not say how long the file is');

/** The file that the cache has a part of: the server need not be asked again how it is to be spoken to. */
function resumed({ network, target }: UrlRequest, entry: CacheEntry): FileAnswer {
  const { size, etag, lastModified, ranges } = entry;
  return { kind: 'file', file: new RemoteFile(network, target, { size, etag, lastModified }, ranges) };
}

function headerFor({ target, model }: UrlRequest, { validators, ranges }: RemoteFile): CacheHeader {
  return { version: 1, url: target.url, model, ranges, ...validators };
}
