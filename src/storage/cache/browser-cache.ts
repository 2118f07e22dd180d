// The cache that this browser has for this origin.

import { NoCache, notWritable, type Cache } from './cache';
import { webLocks } from './locks';
import { canWriteOpfs, openOpfsFolder } from './opfs';

/** The cache of this origin, or why there is none. On a page it can be listed and deleted from, but not added to. */
export async function openBrowserCache(): Promise<Cache | NoCache> {
  const locks = webLocks();
  if (!locks) return new NoCache('this browser has no locks between tabs');
  try {
    return { folder: await openOpfsFolder(), locks };
  } catch (error) {
    const { name, message } = error as Error;
    // Not even the folder could be made.
    if (name === 'QuotaExceededError') return notWritable(error);
    // Browsers write a sentence, and this is a part of one.
    return new NoCache(`this browser keeps no files here: ${message.replace(/\.$/, '')}`);
  }
}

/** The cache of this origin to add to, or why there is none. */
export async function openWritableCache(): Promise<Cache | NoCache> {
  return canWriteOpfs() ? openBrowserCache() : new NoCache('only a worker of a browser can keep files');
}
