// The model that was used last, for the next visit: its address. Files that a visitor has opened cannot be opened again by a page.

import type { CachedModel } from '../../src/index';
import { urlOf } from '../../src/storage/http/address';
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

/** What a visit begins with, and another model that is offered then. */
export interface FirstModel {
  load: Source;
  offer?: Source;
}

/** The model of the last visit, if it is all here; else the built-in one, and an offer of the other. */
export function firstModel(
  last: (Source & { model: string }) | undefined,
  kept: readonly Pick<CachedModel, 'url' | 'complete'>[],
  builtIn: Source,
): FirstModel {
  if (!last || last.model === builtIn.model) return { load: builtIn };
  const at = addressOf(last.model);
  if (at === undefined) return { load: builtIn };
  const isHere = kept.some(({ url, complete }) => complete && url === at);
  return isHere ? { load: last } : { load: builtIn, offer: last };
}

/** Undefined for what is no address any more: a name that an older version knew. */
function addressOf(model: string): string | undefined {
  try {
    return urlOf(model);
  } catch {
    return undefined;
  }
}
