// A file that is open for reading: the interface, and the files that need no network.

import type { ByteSource } from '../../files/byte-source';
import { verifySource } from './integrity';

/** Where bytes came from. */
export interface SourceInfo {
  /** Whether the files are in the cache now: the next load needs no download. */
  cached: boolean;
  /** Why not, if they are not. */
  reason?: string;
  /** True if all of them came from the storage that sites share, and so are in no cache of this origin. */
  shared?: boolean;
}

/** A file that is open for reading. */
export interface OpenedFile {
  readonly bytes: ByteSource;
  readonly info: SourceInfo;
  /** Bytes that opening it again would have to download. */
  readonly missingBytes: number;
  /** Completes the cached copy and checks the hash. Rejects with `corrupt-file` if it is not the expected one. */
  finish(signal?: AbortSignal): Promise<void>;
  /** Lets go of the file. `error` is what the load failed with, if it did: bytes that are no model are not kept. */
  close(error?: unknown): Promise<void>;
}

/**
 * A file whose bytes are all here: it is not cached, for the given reason. `missingBytes` is what had to be downloaded to
 * get them here.
 */
export function openBytes(
  bytes: ByteSource,
  sha256: string | undefined,
  reason: string,
  missingBytes = 0,
): OpenedFile {
  return {
    bytes,
    info: { cached: false, reason },
    missingBytes,
    finish: async (signal) => {
      if (sha256 !== undefined) await verifySource(bytes, sha256, signal);
    },
    close: async () => {},
  };
}
