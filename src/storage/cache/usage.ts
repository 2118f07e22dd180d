// How much storage this origin has and takes, and the wish that the browser keep it. For pages as well as for workers.

import { listModels } from './models';

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

/** Asks the browser not to clear the cache when the disk gets full. Resolves to its answer. From a page only. */
export async function persist(): Promise<boolean> {
  return (await storageHere()?.persist?.()) ?? false;
}

/** How much storage there is, and how much of it is taken; none on a server. */
export async function storageUsage(): Promise<StorageUsage> {
  const models = (await listModels()).reduce((sum, { bytes }) => sum + bytes, 0);
  const { used = 0, quota = 0 } = (await estimateStorage()) ?? {};
  return { models, used, quota, persisted: (await storageHere()?.persisted?.()) ?? false };
}

/** What this origin's storage takes and may take, in bytes, as the browser estimates it; undefined where there is none. */
export async function estimateStorage(): Promise<Pick<StorageUsage, 'used' | 'quota'> | undefined> {
  const { usage, quota } = (await storageHere()?.estimate?.()) ?? {};
  return usage === undefined || quota === undefined ? undefined : { used: usage, quota };
}

/** What there is of it: Node has no `navigator` before version 21, and a worker cannot ask to keep it. */
function storageHere(): Partial<StorageManager> | undefined {
  return (globalThis as { navigator?: Partial<Navigator> }).navigator?.storage;
}
