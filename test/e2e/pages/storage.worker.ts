// Reads a file as a load does, and says what it read.
import { createSHA256 } from 'hash-wasm';
import { TernionError } from '../../../src/errors';
import { openSource } from '../../../src/storage/sources/open-source';
import type { SourceInfo } from '../../../src/storage/sources/opened-file';
import { SharedRegistry } from '../../support/cross-origin-storage';

/** What to read, and what this browser is to be without. */
export interface StorageTask {
  url: string;
  sha256?: string;
  /** `opfs`: it refuses, as in private windows; `quota`: it knows that it is full; `writes`: it finds out after so many. */
  without?: 'opfs' | 'quota' | { writes: number };
  /** It has Cross-Origin Storage, and the file is read twice: what came of the second time is told. */
  shares?: boolean;
}

/** What came of it. */
export type StorageResult = { hash: string; info: SourceInfo } | { code: string; message: string };

const READ = (1 << 20) + 77;
const HEADER = 1000;

function takeAway(what: StorageTask['without']): void {
  const { storage } = navigator;
  if (what === 'opfs') storage.getDirectory = () => Promise.reject(new DOMException('no', 'SecurityError'));
  if (what === 'quota') storage.estimate = () => Promise.resolve({ quota: 5e6, usage: 4e6 });
  if (typeof what !== 'object') return;
  const handle = (globalThis as unknown as { FileSystemSyncAccessHandle: { prototype: { write: Write } } })
    .FileSystemSyncAccessHandle.prototype;
  const { write } = handle;
  let left = what.writes;
  handle.write = function (bytes, options) {
    if (left-- <= 0) throw new DOMException('full', 'QuotaExceededError');
    return write.call(this, bytes, options);
  };
}

type Write = (this: unknown, bytes: Uint8Array, options: { at: number }) => number;

async function read({ url, sha256 }: StorageTask): Promise<StorageResult> {
  const model = await openSource(url, { sha256 });
  const { bytes: source } = model.files.main;
  const hash = (await createSHA256()).init();
  try {
    hash.update(await source.read(0, HEADER));
    source.prefetch?.(HEADER, source.size);
    for (let at = HEADER; at < source.size; at += READ) {
      hash.update(await source.read(at, Math.min(READ, source.size - at)));
    }
    await model.finish();
    const { info } = model;
    await model.close();
    return { hash: hash.digest(), info };
  } catch (error) {
    await model.close(error);
    throw error;
  }
}

/** Gives this worker the storage that sites share, as the proposal has it. */
function addSharedStorage(): void {
  const value = new SharedRegistry().of(location.origin);
  Object.defineProperty(navigator, 'crossOriginStorage', { value });
}

globalThis.onmessage = async ({ data }: MessageEvent<StorageTask>) => {
  takeAway(data.without);
  if (data.shares) addSharedStorage();
  try {
    if (data.shares) await read(data);
    postMessage(await read(data));
  } catch (error) {
    const code = error instanceof TernionError ? error.code : 'none';
    postMessage({ code, message: String(error) } satisfies StorageResult);
  }
};
