// The entries of the cache folder: which files belong to one, and whether they can be used.

import type { CacheFolder } from './cache-folder';
import { readJournal, type CacheEntry } from './journal';

/** Names of a file's data and journal in the cache folder. */
export const dataName = (key: string): string => `${key}.data`;
export const journalName = (key: string): string => `${key}.journal`;

/** The entry of `key`; undefined if there is none that can be used. */
export async function readEntry(folder: CacheFolder, key: string): Promise<CacheEntry | undefined> {
  const file = await folder.openReadable(journalName(key));
  if (!file) return undefined;
  try {
    return await readJournal(file);
  } finally {
    file.close();
  }
}

/** Removes what is cached under `key`. The journal goes first: without it, data means nothing. */
export async function removeEntry(folder: CacheFolder, key: string): Promise<void> {
  await folder.remove(journalName(key));
  await folder.remove(dataName(key));
}

const JOURNAL = /^([0-9a-f]{32})\.journal$/;

/** All entries that can be used, by key. */
export async function allEntries(folder: CacheFolder): Promise<Map<string, CacheEntry>> {
  const entries = new Map<string, CacheEntry>();
  for (const name of await folder.list()) {
    const key = JOURNAL.exec(name)?.[1];
    const entry = key === undefined ? undefined : await readEntry(folder, key);
    if (key !== undefined && entry) entries.set(key, entry);
  }
  return entries;
}
