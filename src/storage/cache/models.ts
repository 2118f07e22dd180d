// What is in the cache, how much room it takes, and how to get rid of it. For pages as well as for workers.

import { TernionError } from '../../errors';
import { keyOf, lockName, type Cache } from './cache';
import { urlOf } from '../http/address';
import { openBrowserCache } from '../sources/environment';
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
  /** Whether those files are there whole. What is not is taken up by the next load where it ended. */
  complete: boolean;
  /** How many files it has. */
  files: number;
}

/** Storage of this origin, in bytes. */
export interface StorageUsage {
  /** What the models in the cache take. */
  models: number;
  /** What all of the origin's storage takes, as the browser estimates it. */
  used: number;
  /** What it may take. */
  quota: number;
  /** Whether the browser has promised not to clear it when the disk gets full. */
  persisted: boolean;
}

/** The models in the cache of this origin; none where there is no cache. */
export async function listModels(): Promise<CachedModel[]> {
  return listIn(await openBrowserCache());
}

/**
 * Deletes a model from the cache, with all its files: by its id, or by the address that it was loaded from. Waits until
 * no tab is loading it. Resolves to whether there was one.
 */
export async function deleteModel(model: string | URL, signal?: AbortSignal): Promise<boolean> {
  return deleteIn(await openBrowserCache(), model, signal);
}

/** Asks the browser not to clear the cache when the disk gets full. Resolves to its answer. From a page only. */
export async function persist(): Promise<boolean> {
  const { storage } = navigator;
  return typeof storage?.persist === 'function' ? storage.persist() : false;
}

/** How much storage there is, and how much of it is taken. */
export async function storageUsage(): Promise<StorageUsage> {
  const models = (await listModels()).reduce((sum, { bytes }) => sum + bytes, 0);
  const { used = 0, quota = 0 } = (await estimateStorage()) ?? {};
  return { models, used, quota, persisted: (await navigator.storage?.persisted?.()) ?? false };
}

/** What this origin's storage takes and may take, in bytes, as the browser estimates it; undefined where there is none. */
export async function estimateStorage(): Promise<Pick<StorageUsage, 'used' | 'quota'> | undefined> {
  const storage = (globalThis.navigator as Navigator | undefined)?.storage;
  const { usage, quota } = (await storage?.estimate?.()) ?? {};
  return usage === undefined || quota === undefined ? undefined : { used: usage, quota };
}

/** {@link listModels} of the given cache. */
export async function listIn(cache: Cache | string): Promise<CachedModel[]> {
  if (typeof cache === 'string') return [];
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

/** {@link deleteModel} of the given cache. */
export async function deleteIn(
  cache: Cache | string,
  model: string | URL,
  signal?: AbortSignal,
): Promise<boolean> {
  if (typeof cache === 'string') return false;
  const id = /^[0-9a-f]{32}$/.test(String(model)) ? String(model) : await keyOf(urlOf(model));
  let found = false;
  for (const [key, entry] of await allEntries(cache.folder)) {
    if ((await keyOf(entry.model)) !== id) continue;
    found = true;
    const release = await cache.locks.acquire(lockName(key), 'exclusive', signal);
    try {
      await removeEntry(cache.folder, key);
    } catch (cause) {
      throw new TernionError('internal', `The cached file ${entry.url} could not be deleted.`, { cause });
    } finally {
      release();
    }
  }
  return found;
}
