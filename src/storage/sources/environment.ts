// What loading needs of the browser around it, in one place, so that tests can bring their own.

import { openWritableCache } from '../cache/browser-cache';
import type { Cache, NoCache } from '../cache/cache';
import { crossOriginStorage, type SharedFiles } from '../cache/shared-files';
import { DEFAULT_POLICY, type Network } from '../http/network';

/** The surroundings of a load. */
export interface StorageEnvironment {
  network: Network;
  /** The cache, or why there is none. */
  openCache(): Promise<Cache | NoCache>;
  /** The storage that sites share, if there is one. */
  shared?: SharedFiles | undefined;
}

/** The network and the private file system of this browser (or of Node, which has no such file system). */
export function browserStorage(): StorageEnvironment {
  return {
    network: { fetch: (input, init) => fetch(input, init), policy: DEFAULT_POLICY },
    openCache: openWritableCache,
    shared: crossOriginStorage(),
  };
}
