// What it takes to open a URL, whichever way it is opened: from the cache, into the cache, or without one.

import type { CacheEntry } from '../cache/journal';
import type { SharedFiles } from '../cache/shared-files';
import type { HttpTarget, Network } from '../http/network';
import { askValidators, differ } from '../http/validators';
import { PieceHash } from './integrity';
import type { ProgressMeter } from './progress';

/** A file on a server that is to be opened. */
export interface UrlRequest {
  network: Network;
  target: HttpTarget;
  /** URL of the main file of the model that the file belongs to. */
  model: string;
  /** The SHA-256 that the file must have, in hexadecimal. */
  sha256: string | undefined;
  /** The storage that sites share, if the browser has one and the file may be there. */
  shared: SharedFiles | undefined;
  /** Whether to wait until no other tab downloads the file. If not, it is opened without the cache meanwhile. */
  waits: boolean;
  progress: ProgressMeter;
  signal: AbortSignal | undefined;
}

/** Whether the server has another file than the cache. Where it cannot be asked, the cache is right. */
export async function hasChanged(request: UrlRequest, entry: CacheEntry): Promise<boolean> {
  const now = await askValidators(request.network, request.target, request.signal);
  return now !== undefined && differ(now, entry);
}

/** What computes the file's hash, unless none is expected, or it was computed when the file was cached. */
export async function hashFor({ sha256 }: UrlRequest, entry?: CacheEntry): Promise<PieceHash | undefined> {
  if (sha256 === undefined || entry?.sha256 === sha256.toLowerCase()) return undefined;
  return PieceHash.expecting(sha256);
}
