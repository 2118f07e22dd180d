// The model that was used last, for the next visit: its address. Files that a visitor has opened cannot be opened again by a page.

import type { Source } from '../source';

const KEY = 'ternion-demo-model';

/** Remembers `source`, if it has an address; where the page may keep nothing, it does not. */
export function rememberModel({ name, model, sha256 }: Source, storage: () => Storage): void {
  if (typeof model !== 'string') return;
  try {
    storage().setItem(KEY, JSON.stringify({ name, model, sha256 }));
  } catch {
    // Then the next visit begins with the built-in model.
  }
}

/** The model of the last visit, if one was kept. */
export function lastModel(storage: () => Storage): (Source & { model: string }) | undefined {
  try {
    const { name, model, sha256 } = JSON.parse(storage().getItem(KEY) ?? '{}') as Record<string, unknown>;
    if (typeof name !== 'string' || typeof model !== 'string') return undefined;
    return { name, model, ...(typeof sha256 === 'string' && { sha256 }) };
  } catch {
    return undefined;
  }
}
