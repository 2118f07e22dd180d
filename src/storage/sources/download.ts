// Begins the download of a file whose length is known, into its place in the cache if it has one.

import { NoCache } from '../cache/cache';
import { bytesOf } from '../cache/journal';
import { ProgressSender } from '../cache/progress-channel';
import type { FileAnswer } from '../http/open-remote';
import type { PieceHash } from './integrity';
import { PieceFile, type CachePlace } from './piece-file';
import { PieceSource } from './piece-source';
import type { UrlRequest } from './url-request';

/** Begins a download. The file that is returned owns `place`. `hash` computes its hash, if that is to be checked. */
export function beginDownload(
  request: UrlRequest,
  { file, reply }: FileAnswer,
  hash: PieceHash | undefined,
  place: CachePlace | NoCache,
): PieceFile {
  const { size } = file.validators;
  const kept = place instanceof NoCache ? undefined : place;
  let loaded = bytesOf(kept?.entry);
  const progress = request.progress.file(size, loaded);
  const sender = kept && new ProgressSender(kept.key);
  const source = new PieceSource({
    size,
    policy: request.network.policy,
    disk: kept?.disk,
    remote: file,
    reply,
    hash,
    onReceived: (bytes) => {
      progress.received(bytes);
      loaded += bytes;
      sender?.send({ loaded, total: size });
    },
  });
  return new PieceFile(source, place, progress, sender);
}
