// What storage needs of the browser around it, in one place, so that tests can bring their own.

import type { Cache } from '../cache/cache';
import { webLocks } from '../cache/locks';
import { DEFAULT_POLICY, type Network } from '../http/network';
import { canWriteOpfs, openOpfsFolder } from '../cache/opfs';

/** The surroundings of a load. */
export interface StorageEnvironment {
  network: Network;
  /** The cache, or why there is none. */
  openCache(): Promise<Cache | string>;
}

/** The network and the private file system of this browser (or of Node, which has no such file system). */
export function browserStorage(): StorageEnvironment {
  return {
    network: { fetch: (input, init) => fetch(input, init), policy: DEFAULT_POLICY },
    openCache: async () => {
      if (!canWriteOpfs()) return 'only a worker of a browser can keep files';
      return openBrowserCache();
    },
  };
}

/** The cache of this origin, or why there is none. On a page it can be listed and deleted from, but not added to. */
export async function openBrowserCache(): Promise<Cache | string> {
  const locks = webLocks();
  if (!locks) return 'this browser has no locks between tabs';
  try {
    return { folder: await openOpfsFolder(), locks };
  } catch (error) {
    return `this browser keeps no files here: ${(error as Error).message}`;
  }
}
