// Which models are in the cache, and how to delete them. For pages as well as for workers.

import { TernionError } from '../../errors';
import { urlOf } from '../http/address';
import { openBrowserCache } from './browser-cache';
import { keyOf, lockName, NoCache, type Cache } from './cache';
import { allEntries, removeEntry } from './entries';
import { bytesOf, isComplete } from './journal';

/** A model in the cache. */
export interface CachedModel {
  /** Names the model in `deleteModel`. */
  id: string;
  /** The URL of its main file. */
  url: string;
  /** Bytes that are in the cache, and bytes of all files that were begun. */
  bytes: number;
  size: number;
  /** Whether all of those files are there whole. The next load downloads what is missing. */
  complete: boolean;
  /** How many files it has. */
  files: number;
}

/** The models in the cache of this origin; none where there is no cache. */
export async function listModels(): Promise<CachedModel[]> {
  return listIn(await openBrowserCache());
}

/**
 * Deletes a model from the cache of this origin: by its id, or by the address that it was loaded from. Waits until no tab
 * is loading it. Resolves to whether there was one.
 */
export async function deleteCached(model: string, signal?: AbortSignal): Promise<boolean> {
  return deleteIn(await openBrowserCache(), model, { signal });
}

/**
 * Deletes what an unfinished download has left of a model, as {@link deleteCached} does; one that is whole by then, since another tab
 * or a later load has finished it meanwhile, stays. Resolves to whether there was something.
 */
export async function deleteUnfinished(model: string): Promise<boolean> {
  return deleteIn(await openBrowserCache(), model, { unfinishedOnly: true });
}

/** {@link listModels} of the given cache. */
export async function listIn(cache: Cache | NoCache): Promise<CachedModel[]> {
  if (cache instanceof NoCache) return [];
  const models = new Map<string, CachedModel>();
  for (const entry of (await allEntries(cache.folder)).values()) {
    const bytes = bytesOf(entry);
    const known = models.get(entry.model);
    models.set(entry.model, {
      id: known?.id ?? (await keyOf(entry.model)),
      url: entry.model,
      bytes: bytes + (known?.bytes ?? 0),
      size: entry.size + (known?.size ?? 0),
      complete: isComplete(entry) && (known?.complete ?? true),
      files: 1 + (known?.files ?? 0),
    });
  }
  return [...models.values()];
}

/** {@link deleteCached} of the given cache. */
export async function deleteIn(
  cache: Cache | NoCache,
  model: string,
  { signal, unfinishedOnly = false }: { signal?: AbortSignal | undefined; unfinishedOnly?: boolean } = {},
): Promise<boolean> {
  if (cache instanceof NoCache) return false;
  const id = /^[0-9a-f]{32}$/.test(model) ? model : await keyOf(urlOf(model));
  let found = false;
  for (const [key, entry] of await allEntries(cache.folder)) {
    if ((await keyOf(entry.model)) !== id) continue;
    const release = await cache.locks.acquire(lockName(key), 'exclusive', signal);
    try {
      // Asked for with the lock: what had it may have finished the file.
      if (unfinishedOnly && !found && (await isWhole(cache, id))) return false;
      found = true;
      await removeEntry(cache.folder, key);
    } catch (cause) {
      throw new TernionError('internal', `The cached file ${entry.url} could not be deleted.`, { cause });
    } finally {
      release();
    }
  }
  return found;
}

async function isWhole(cache: Cache, id: string): Promise<boolean> {
  return (await listIn(cache)).some((model) => model.id === id && model.complete);
}
