// Which engines are one and the same for the tabs of an origin: those of a model at an address, loaded in the same way.

import type { CloneableOptions } from '../plan/load-options';
import { hexOf } from '../storage/hashing/hex';

/** What decides how a model is computed, or whether it is the right one. How it is fetched and what is logged does not. */
type Deciding = Pick<
  CloneableOptions,
  | 'contextLength'
  | 'memoryBudget'
  | 'precision'
  | 'headPrecision'
  | 'kvCache'
  | 'sha256'
  | 'chatTemplate'
  | 'templateOptions'
>;

/**
 * The name of the engine of the model at the absolute URL `address`, 64 hexadecimal digits. `version` is that of the worker's
 * script: tabs that were opened before and after an update do not understand each other.
 */
export async function engineKey(address: string, options: Deciding, version: string): Promise<string> {
  const { contextLength, memoryBudget, precision, headPrecision, kvCache, sha256 } = options;
  const { chatTemplate, templateOptions } = options;
  const parts = [
    version,
    address,
    contextLength,
    memoryBudget === Infinity ? 'any' : memoryBudget,
    precision,
    headPrecision,
    kvCache,
    sha256,
    typeof chatTemplate === 'string' ? chatTemplate : undefined,
    templateOptions,
  ];
  const text = new TextEncoder().encode(JSON.stringify(parts, inOrder));
  return hexOf(new Uint8Array(await crypto.subtle.digest('SHA-256', text)));
}

/** For `JSON.stringify`: the fields of an object in the order of their names. */
function inOrder(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
